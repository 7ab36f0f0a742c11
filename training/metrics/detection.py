"""Metrics of detection and instance segmentation: mean average precision, precision, recall."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.types import Detections
from training.metrics.detection_matching import (
    SIZES,
    Matching,
    coco_precision,
    match,
    precision_recall,
)
from training.metrics.detection_regions import (
    ImageTruth,
    Kind,
    object_regions,
    prediction_regions,
)

__all__ = [
    "Comparison",
    "ImageTruth",
    "MetricType",
    "compare",
    "metrics_of",
    "per_label_metrics",
]

MetricType = Literal["none", "coco", "voc", "coco_voc"]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Predictions against the truth, from which all metrics follow; `coco` where its type asks."""

    labels: tuple[str, ...]
    metric_type: MetricType
    matching: Matching
    coco: NDArray[np.float64] | None


def compare(
    predictions: Sequence[Detections],
    truths: Sequence[ImageTruth],
    *,
    labels: Sequence[str],
    metric_type: MetricType,
    iou_threshold: float = 0.5,
    kind: Kind = "boxes",
    mask_threshold: float = 0.5,
) -> Comparison:
    """Match the predictions of all images with their objects, by their boxes or their masks.

    predictions and truths belong to the same images in the same order. Every prediction counts:
    those under the score threshold must be gone. Crowds are skipped (see `Matching`).
    """
    if len(predictions) != len(truths):
        raise ValueError(
            f"predictions and truths must be of the same images, "
            f"got {len(predictions)} and {len(truths)}"
        )
    sizes_hw = [truth.size_hw for truth in truths]
    found = prediction_regions(
        predictions, sizes_hw=sizes_hw, kind=kind, mask_threshold=mask_threshold
    )
    objects = object_regions(truths, kind=kind)
    with_coco = metric_type in ("coco", "coco_voc")
    return Comparison(
        labels=tuple(labels),
        metric_type=metric_type,
        matching=match(found, objects, labels=len(labels), iou_threshold=iou_threshold),
        coco=coco_precision(found, objects, labels=len(labels)) if with_coco else None,
    )


def metrics_of(comparison: Comparison) -> dict[str, float]:
    """Means over the labels that have objects; 0 where no label has any.

    mean_average_precision follows the metric type: `voc` takes the area under the interpolated
    precision-recall curve at the IoU threshold (Everingham et al. 2015, all points), `coco` the
    mean over IoU 0.50, 0.55 … 0.95 of the precision at 101 recalls (Lin et al. 2014) and adds
    the values at 0.50 and 0.75 and by object size, where there are objects of that size.
    `coco_voc` gives voc's values, and coco's under names that begin with `coco_`.
    precision and recall are of all predictions at the IoU threshold; a label that has objects
    but no predictions counts 0 in both. `none` gives mean_average_precision (voc's) alone, which
    choosing the best epoch needs.
    """
    rows = [row for row in per_label_metrics(comparison).values() if row["objects"]]
    values = {"mean_average_precision": _mean(rows, "average_precision")}
    if comparison.metric_type == "none":
        return values
    values |= {name: _mean(rows, name) for name in ("precision", "recall")}
    if comparison.coco is not None:
        prefix = "coco_" if comparison.metric_type == "coco_voc" else ""
        values |= {f"{prefix}{name}": v for name, v in _coco_values(comparison.coco).items()}
    return values


def per_label_metrics(comparison: Comparison) -> dict[str, dict[str, float]]:
    """average_precision, precision, recall and the numbers of objects and predictions, per label.

    What an absent label leaves undefined is 0.
    """
    return {
        label: _of_label(comparison, label_id) for label_id, label in enumerate(comparison.labels)
    }


def _of_label(comparison: Comparison, label_id: int) -> dict[str, float]:
    matching = comparison.matching
    precision, recall = precision_recall(matching, label_id)
    coco = comparison.coco if comparison.metric_type == "coco" else None
    return {
        "average_precision": (
            _area_under(precision, recall)
            if coco is None
            else max(0.0, float(coco[:, :, label_id, 0].mean()))
        ),
        "precision": float(precision[-1]) if len(precision) else 0.0,
        "recall": float(recall[-1]) if len(recall) else 0.0,
        "objects": int(np.sum(matching.objects.label_ids == label_id)),
        "predictions": int(np.sum(matching.predictions.label_ids == label_id)),
    }


def _area_under(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Area under the curve whose precision is the best one at this or any higher recall."""
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * best))


def _mean(rows: list[dict[str, float]], name: str) -> float:
    return float(np.mean([row[name] for row in rows])) if rows else 0.0


def _coco_values(precision: NDArray[np.float64]) -> dict[str, float]:
    """Means over what is defined, that is not -1."""
    name = "mean_average_precision"
    parts = {
        f"{name}_50": precision[0, ..., 0],  # rows of COCO_IOU_THRESHOLDS
        f"{name}_75": precision[5, ..., 0],
        **{f"{name}_{size}": precision[..., 1 + index] for index, size in enumerate(SIZES)},
        name: precision[..., 0],
    }
    defined = {key: part[part > -1] for key, part in parts.items()}
    return {name: 0.0} | {key: float(part.mean()) for key, part in defined.items() if part.size}
