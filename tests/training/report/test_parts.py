"""What sections compute before they draw."""

from pathlib import Path

import numpy as np
import pytest

from inference.types import Detections, Task
from training.data.records import Record
from training.metrics.detection import ImageTruth, compare
from training.report.class_curves import average_precision, roc_area
from training.report.classified import Classified
from training.report.confusion import most_confused
from training.report.evidence import TrialFacts
from training.report.importance import importance
from training.report.mistakes import Mistake, find_mistakes
from training.report.object_errors import recall_by_size
from training.report.object_examples import verdicts
from training.report.reliability import reliability

NOTHING = dict.fromkeys(
    ("true_positives", "duplicates", "wrong_label", "poor_location", "background", "missed"), 0
)


@pytest.mark.parametrize(
    ("confidence", "is_right", "error"),
    [
        ([], [], 0.0),
        ([1.0, 1.0], [True, True], 0.0),
        ([0.9, 0.9], [False, False], 0.9),
        ([0.8, 0.8], [True, False], 0.3),
        # two bins of two: |0.5 - 0.8| and |1 - 0.6|, each half of the weight
        ([0.8, 0.8, 0.6, 0.6], [True, False, True, True], 0.35),
        # the ends of a bin: 0.5 belongs to (0.4, 0.5], with 0.41
        ([0.5, 0.41], [True, False], 0.045),
        ([0.0, 0.1], [False, False], 0.05),
    ],
)
def test_the_calibration_error_is_the_weighted_distance_of_confidence_and_accuracy(
    confidence, is_right, error
):
    found = reliability(np.array(confidence, float), np.array(is_right, bool))
    assert found.error == pytest.approx(error)
    assert found.counts.sum() == len(confidence)


@pytest.mark.parametrize(
    ("matrix", "pairs"),
    [
        ([[3, 0], [0, 2]], []),
        ([[3, 1], [2, 2]], [("b", "a", 2, 0.5), ("a", "b", 1, 0.25)]),
        ([[0, 1], [1, 3]], [("a", "b", 1, 1.0), ("b", "a", 1, 0.25)]),
    ],
)
def test_the_most_frequent_confusion_comes_first(matrix, pairs):
    assert most_confused("ab", matrix) == pairs


def test_areas_are_those_of_the_drawn_curves():
    assert roc_area([(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]) == pytest.approx(0.75)
    assert average_precision([(1, 0.5), (0.5, 1), (0, 1)]) == pytest.approx(0.75)


def images(probs, targets):
    records = tuple(Record(Path(f"{row}.jpg"), "a", "") for row in range(len(probs)))
    return Classified(
        records, ("a", "b"), np.array(probs, np.float32), np.array(targets, np.float32)
    )


def rounded(found):
    return [
        Mistake(one.row, one.label_id, round(one.confidence, 3), one.is_missing) for one in found
    ]


def test_mistakes_of_one_class_are_the_surest_first():
    given = images(
        [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], [[1, 0], [0, 1], [1, 0], [0, 1]]
    )
    assert rounded(find_mistakes(given, Task.CLASSIFICATION)) == [
        Mistake(2, 1, 0.8),
        Mistake(1, 0, 0.6),
    ]


def test_a_multilabel_image_is_a_mistake_for_its_worst_label():
    given = images([[0.9, 0.1], [0.9, 0.1], [0.7, 0.4]], [[1, 0], [0, 1], [0, 1]])
    # image 1: "a" is wrong with 0.9 and "b" missing with 0.9; the first of them stands for it
    assert rounded(find_mistakes(given, Task.MULTILABEL)) == [
        Mistake(1, 0, 0.9),
        Mistake(2, 0, 0.7),
    ]
    missing = images([[0.1, 0.4]], [[1, 0]])
    assert rounded(find_mistakes(missing, Task.MULTILABEL)) == [Mistake(0, 0, 0.9, is_missing=True)]


def test_recall_by_size_counts_objects_and_the_boxes_that_are_wrong():
    by_size = {
        "small": NOTHING,
        "medium": NOTHING | {"true_positives": 3, "missed": 1, "background": 2, "duplicates": 1},
        "large": NOTHING | {"wrong_label": 1},
    }
    assert recall_by_size(by_size) == [
        ["small, under 32 px", "0", "0", "", "0"],
        ["medium, 32 to 96 px", "4", "3", "0.750", "3"],
        ["large, over 96 px", "0", "0", "", "1"],
    ]


def test_every_image_is_judged_by_its_own_errors():
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    truth = ImageTruth(boxes, np.array([0, 1]), np.zeros(2, bool), (100, 100))
    nothing = ImageTruth(boxes[:0], np.zeros(0, np.int64), np.zeros(0, bool), (100, 100))
    both = Detections(boxes, np.array([0.9, 0.8], np.float32), np.array([0, 0]))
    comparison = compare(
        [both, both[:0], both[:1], both[:0]],
        [truth, truth, nothing, nothing],
        labels=("a", "b"),
        metric_type="none",
    )
    first, second, third, fourth = verdicts(comparison.matching, images=4)
    assert (first.found, first.missed, first.wrong) == (1, 1, (("wrong_label", 1),))
    assert first.quality == pytest.approx(0.5)
    assert (second.found, second.missed, second.quality) == (0, 2, 0.0)
    assert third.wrong == (("background", 1),)
    assert fourth.quality == 1.0


def trial(number, value, **values):
    return TrialFacts(str(number), "completed", value, "resnet18", values, "", ())


def test_what_decides_the_metric_is_what_mattered():
    trials = [
        trial(n, 0.9 if rate < 0.01 else 0.1, learning_rate=rate, optimizer=name, fixed=1)
        for n, (rate, name) in enumerate(
            [(0.001, "sgd"), (0.1, "sgd"), (0.002, "adam"), (0.2, "adam"), (0.003, "sgd")]
        )
    ]
    shares = importance(trials)
    assert list(shares) == ["learning_rate", "optimizer"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["learning_rate"] > 0.9


def test_hyperparameters_that_not_all_trials_have_are_left_out():
    trials = [trial(0, 0.1, a=1), trial(1, 0.2, b=2), trial(2, 0.3, a=1), trial(3, 0.3, a=2)]
    assert importance(trials) == {}
