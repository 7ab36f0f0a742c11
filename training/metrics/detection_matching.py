"""Which prediction found which object: COCO's matching, as faster_coco_eval computes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from training.metrics.detection_regions import Regions

SIZES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)  # of COCO, in square pixels
COCO_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
COCO_MAX_DETECTIONS = 100  # per image and label
_ANY_AREA = (0, 10**10)
_COCO_AREAS = (
    _ANY_AREA,
    (0, SIZE_LIMITS[0]),
    SIZE_LIMITS,
    (SIZE_LIMITS[1], 10**10),
)


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Predictions and objects that count, and the object (row or -1) that each prediction found.

    Crowds do not count, nor do predictions that lie on a crowd of their label. found (P,) int64.
    """

    predictions: Regions
    objects: Regions
    found: NDArray[np.int64]
    iou_threshold: float


def match(predictions: Regions, objects: Regions, *, labels: int, iou_threshold: float) -> Matching:
    """Match each prediction, best score first, to the free object of its label it overlaps most.

    The overlap is at least `iou_threshold`. This is COCO's rule also where the metrics are VOC's,
    whose own would count a prediction as false if the object that it overlaps most is taken.
    """
    results = _evaluated(
        predictions,
        objects,
        labels=labels,
        iou_thresholds=[iou_threshold],
        area_ranges=[_ANY_AREA],
        max_detections=int(np.bincount(predictions.image_ids).max(initial=1)),
    )
    pairs = [key.split("_") for key in results["matched"]]  # ids "prediction_object", from 1 on
    rows = np.array(pairs, np.int64).reshape(-1, 2) - 1
    found = np.full(len(predictions), -1)
    found[rows[:, 0]] = rows[:, 1]
    return _without_crowds(predictions, objects, found, iou_threshold)


def coco_precision(predictions: Regions, objects: Regions, *, labels: int) -> NDArray[np.float64]:
    """Interpolated precision, (10 IoU thresholds, 101 recalls, labels, 4 sizes).

    The sizes are any, small, medium and large; -1 where a label has no object of that size.
    """
    results = _evaluated(
        predictions,
        objects,
        labels=labels,
        iou_thresholds=COCO_IOU_THRESHOLDS,
        area_ranges=_COCO_AREAS,
        max_detections=COCO_MAX_DETECTIONS,
    )
    return np.asarray(results["precision"][..., 0])


def precision_recall(
    matching: Matching, label_id: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall of one label at each distinct score, highest score first.

    Predictions of the same score pass the threshold together, so their order does not matter.
    """
    ours = matching.predictions.label_ids == label_id
    scores, is_true = matching.predictions.scores[ours], matching.found[ours] >= 0
    order = np.argsort(-scores)
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    true = np.cumsum(is_true[order])[last]
    objects = np.count_nonzero(matching.objects.label_ids == label_id)
    return true / (last + 1), true / max(1, objects)


def _without_crowds(
    predictions: Regions, objects: Regions, found: NDArray[np.int64], iou_threshold: float
) -> Matching:
    counted = ~np.append(objects.is_crowd, False)  # the last one stands for -1, no object
    new_rows = np.append(np.cumsum(counted[:-1]) - 1, -1)
    kept = counted[found]
    return Matching(
        predictions=predictions.chosen(kept),
        objects=objects.chosen(counted[:-1]),
        found=new_rows[found[kept]],
        iou_threshold=iou_threshold,
    )


def _evaluated(
    predictions: Regions,
    objects: Regions,
    *,
    labels: int,
    iou_thresholds: Sequence[float] | NDArray[np.float64],
    area_ranges: Sequence[tuple[int, int]],
    max_detections: int,
) -> dict[str, Any]:
    """What COCOeval leaves in its attribute `eval`."""
    coco = COCOeval_faster(
        _coco(objects, labels),
        _coco(predictions, labels),
        "bbox" if objects.kind == "boxes" else "segm",
    )
    coco.params.iouThrs = np.asarray(iou_thresholds)
    coco.params.areaRng = [list(limits) for limits in area_ranges]
    coco.params.maxDets = [max_detections]
    coco.evaluate()
    coco.accumulate()
    return coco.eval


def _coco(regions: Regions, labels: int) -> COCO:
    shape_name = "bbox" if regions.kind == "boxes" else "segmentation"
    annotations = [
        {
            "id": row + 1,  # 0 means "no match"
            "image_id": int(regions.image_ids[row]),
            "category_id": int(regions.label_ids[row]),
            "score": float(regions.scores[row]),
            "iscrowd": int(regions.is_crowd[row]),
            "area": float(regions.areas[row]),
            shape_name: shape,
        }
        for row, shape in enumerate(regions.shapes)
    ]
    images = [
        {"id": image, "height": height, "width": width}
        for image, (height, width) in enumerate(regions.sizes_hw)
    ]
    categories = [{"id": label} for label in range(labels)]
    return COCO({"images": images, "categories": categories, "annotations": annotations})
