import json

import numpy as np
import pytest

from inference.types import Detections
from training.metrics.detection import ImageTruth, compare, metrics_of
from training.metrics.detection_evaluation import detection_evaluation
from training.metrics.evaluation import CURVE_POINTS

LABELS = ("cat", "dog")
NONE = {
    "true_positives": 0,
    "duplicates": 0,
    "wrong_label": 0,
    "poor_location": 0,
    "background": 0,
    "missed": 0,
}
CAT = [0, 0, 10, 10]
DOG = [100, 100, 200, 200]


def evaluated(predictions, objects, *, crowds=()):
    """Of one image: predictions (box_xyxy, label_id, score) and objects (box_xyxy, label_id)."""
    boxes = np.array([box for box, _ in objects], np.float32).reshape(-1, 4)
    label_ids = np.array([label for _, label in objects], np.int64)
    is_crowd = np.isin(np.arange(len(objects)), crowds)
    truth = ImageTruth(boxes, label_ids, is_crowd, (300, 300))
    detections = Detections(
        np.array([box for box, _, _ in predictions], np.float32).reshape(-1, 4),
        np.array([score for _, _, score in predictions], np.float32),
        np.array([label for _, label, _ in predictions], np.int64),
    )
    return detection_evaluation(
        compare([detections], [truth], labels=LABELS, metric_type="coco_voc")
    )


@pytest.mark.parametrize(
    ("predictions", "objects", "cat", "dog"),
    [
        ([], [], {}, {}),
        ([(CAT, 0, 0.9)], [(CAT, 0)], {"true_positives": 1}, {}),
        (
            [(CAT, 0, 0.9), (CAT, 0, 0.8)],
            [(CAT, 0)],
            {"true_positives": 1, "duplicates": 1},
            {},
        ),
        ([(CAT, 1, 0.9)], [(CAT, 0)], {"missed": 1}, {"wrong_label": 1}),
        ([([0, 0, 10, 30], 0, 0.9)], [(CAT, 0)], {"poor_location": 1, "missed": 1}, {}),
        ([([0, 0, 10, 30], 1, 0.9)], [(CAT, 0)], {"missed": 1}, {"background": 1}),
        ([([0, 0, 10, 200], 0, 0.9)], [(CAT, 0)], {"background": 1, "missed": 1}, {}),
        ([(DOG, 0, 0.9)], [(CAT, 0)], {"background": 1, "missed": 1}, {}),
        (
            [(CAT, 0, 0.9), (CAT, 0, 0.8), (CAT, 1, 0.7)],
            [(CAT, 0), (CAT, 1)],
            {"true_positives": 1, "duplicates": 1},
            {"true_positives": 1},
        ),
        (
            [(DOG, 1, 0.9), (CAT, 0, 0.8)],
            [(DOG, 1)],
            {"background": 1},
            {"true_positives": 1},
        ),
    ],
)
def test_every_error_has_one_kind(predictions, objects, cat, dog):
    results = evaluated(predictions, objects)
    assert results["errors"] == {"cat": NONE | cat, "dog": NONE | dog}


def test_crowds_and_what_lies_on_them_are_no_errors():
    results = evaluated([(CAT, 0, 0.9), (CAT, 0, 0.8)], [(CAT, 0)], crowds=[0])
    assert results["errors"] == {"cat": NONE, "dog": NONE}


def test_errors_by_size_take_the_objects_size_and_else_the_predictions():
    results = evaluated(
        [([0, 0, 40, 25], 0, 0.9), ([200, 200, 240, 240], 0, 0.8)],
        [([0, 0, 40, 30], 0), (DOG, 1)],
    )
    assert results["errors_by_size"] == {
        "small": NONE,
        "medium": NONE | {"true_positives": 1, "background": 1},
        "large": NONE | {"missed": 1},
    }


def test_errors_are_found_in_their_own_image():
    cat = ImageTruth(np.array([CAT], np.float32), np.array([0]), np.array([False]), (300, 300))
    nothing = ImageTruth(
        np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, np.bool_), (300, 300)
    )
    one = Detections(np.array([CAT], np.float32), np.array([0.9], np.float32), np.array([0]))
    results = detection_evaluation(
        compare([one, one[:0], one], [nothing, cat, cat], labels=LABELS, metric_type="voc")
    )
    expected = {"true_positives": 1, "background": 1, "missed": 1}
    assert results["errors"]["cat"] == NONE | expected


def test_the_evaluation_holds_the_metrics_and_is_ready_for_json():
    detections = Detections(
        np.array([CAT, DOG], np.float32), np.array([0.9, 0.8], np.float32), np.array([0, 0])
    )
    truth = ImageTruth(
        np.array([CAT, DOG], np.float32), np.array([0, 1]), np.zeros(2, np.bool_), (300, 300)
    )
    comparison = compare([detections], [truth], labels=LABELS, metric_type="coco_voc")
    results = detection_evaluation(comparison)
    assert json.loads(json.dumps(results)) == results
    assert results["metrics"] == metrics_of(comparison)
    assert results["labels"] == ["cat", "dog"]
    assert results["per_label"]["cat"]["precision"] == 1 / 2
    assert results["curves"]["cat"]["precision_recall"] == [[1.0, 1.0], [1.0, 0.5]]
    assert results["curves"]["dog"]["precision_recall"] == []


def test_curves_stay_small_and_keep_their_ends():
    count = 1000
    boxes = np.array([[0, 0, 10 + n, 10 + n] for n in range(count)], np.float32)
    scores = np.linspace(1, 0, count, dtype=np.float32)
    zeros = np.zeros(count, np.int64)
    results = detection_evaluation(
        compare(
            [Detections(boxes, scores, zeros)],
            [ImageTruth(boxes, zeros, np.zeros(count, np.bool_), (2000, 2000))],
            labels=LABELS,
            metric_type="voc",
            iou_threshold=1.0,
        )
    )
    curve = results["curves"]["cat"]["precision_recall"]
    assert len(curve) == CURVE_POINTS
    assert (curve[0], curve[-1]) == ([1 / count, 1.0], [1.0, 1.0])
