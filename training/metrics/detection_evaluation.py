"""What is kept of a detector's best epoch: metrics, curves, and the kinds of errors it makes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from training.metrics.detection import Comparison, metrics_of, per_label_metrics
from training.metrics.detection_matching import SIZE_LIMITS, SIZES, Matching, precision_recall
from training.metrics.evaluation import CURVE_POINTS

LOCATION_IOU = 0.1  # from here on a prediction is about an object, though poorly placed
PREDICTION_KINDS = ("true_positives", "duplicates", "wrong_label", "poor_location", "background")


def detection_evaluation(comparison: Comparison) -> dict[str, Any]:
    """Everything worth keeping of one comparison of predictions with the truth, ready for JSON.

    Keys: labels, metrics, per_label, curves (points of recall and precision), errors (counts per
    label) and errors_by_size (counts per object size).
    """
    matching, labels = comparison.matching, comparison.labels
    return {
        "labels": list(labels),
        "metrics": metrics_of(comparison),
        "per_label": per_label_metrics(comparison),
        "curves": {
            label: {"precision_recall": _curve(matching, label_id)}
            for label_id, label in enumerate(labels)
        },
        **_errors(matching, labels),
    }


def prediction_kinds(matching: Matching) -> NDArray[np.str_]:
    """The kind (P,) of every prediction: true, or the error that explains it best.

    duplicates: on an object of its label that another prediction found; wrong_label: on an object
    of another label; poor_location: overlaps an object of its label, but less than the IoU
    threshold; background: none of these. The first that holds, in this order (after Hoiem et al.
    2012 and TIDE, Bolya et al. 2020).
    """
    right, wrong = _best_overlaps(matching)
    threshold = matching.iou_threshold
    conditions = [
        matching.found >= 0,
        right >= threshold,
        wrong >= threshold,
        right >= LOCATION_IOU,
    ]
    return np.select(conditions, PREDICTION_KINDS[:-1], PREDICTION_KINDS[-1])


def _best_overlaps(matching: Matching) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Highest IoU (P,) of each prediction with an object of its label, and of another label."""
    predictions, objects = matching.predictions, matching.objects
    right, wrong = np.zeros(len(predictions)), np.zeros(len(predictions))
    for image in np.intersect1d(predictions.image_ids, objects.image_ids):
        rows = slice(*np.searchsorted(predictions.image_ids, [image, image + 1]))
        columns = slice(*np.searchsorted(objects.image_ids, [image, image + 1]))
        shapes = list(objects.shapes[columns])
        iou = coco_mask.iou(list(predictions.shapes[rows]), shapes, [0] * len(shapes))
        same = predictions.label_ids[rows, None] == objects.label_ids[columns]
        right[rows] = np.max(iou, axis=1, where=same, initial=0.0)
        wrong[rows] = np.max(iou, axis=1, where=~same, initial=0.0)
    return right, wrong


def _errors(matching: Matching, labels: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Counts per label, and per size: of the object where there is one, else of the prediction."""
    predictions, objects, found = matching.predictions, matching.objects, matching.found
    missed = np.bincount(found[found >= 0], minlength=len(objects)) == 0
    kinds = np.append(prediction_kinds(matching), np.full(missed.sum(), "missed"))
    label_ids = np.append(predictions.label_ids, objects.label_ids[missed])
    of_object = np.append(objects.areas, 0.0)[found]
    areas = np.append(np.where(found >= 0, of_object, predictions.areas), objects.areas[missed])
    sizes = np.digitize(areas, SIZE_LIMITS)
    return {
        "errors": _counts(kinds, label_ids, labels),
        "errors_by_size": _counts(kinds, sizes, SIZES),
    }


def _counts(
    kinds: NDArray[np.str_], groups: NDArray[np.int64], names: Sequence[str]
) -> dict[str, dict[str, int]]:
    return {
        name: {
            kind: int(np.sum((kinds == kind) & (groups == group)))
            for kind in (*PREDICTION_KINDS, "missed")
        }
        for group, name in enumerate(names)
    }


def _curve(matching: Matching, label_id: int) -> list[list[float]]:
    precision, recall = precision_recall(matching, label_id)
    kept = np.linspace(0, len(recall) - 1, min(len(recall), CURVE_POINTS)).round().astype(int)
    return np.stack([recall[kept], precision[kept]], axis=1).round(6).tolist()
