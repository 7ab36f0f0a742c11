import numpy as np

from inference.types import Task
from training.metrics.evaluation import CURVE_POINTS, evaluation

LABELS = ("cat", "dog")


def test_confusion_matrix_has_the_truth_in_its_rows():
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], np.float32)
    targets = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    results = evaluation(probs, targets, labels=LABELS, task=Task.CLASSIFICATION)
    assert results["confusion_matrix"] == [[1, 0], [1, 1]]
    assert results["per_label"]["dog"]["recall"] == 0.5
    assert results["per_label"]["dog"]["support"] == 2


def test_multilabel_has_a_two_by_two_matrix_per_label():
    probs = np.array([[0.9, 0.6], [0.8, 0.2]], np.float32)
    targets = np.array([[1, 0], [0, 0]], np.float32)
    results = evaluation(probs, targets, labels=LABELS, task=Task.MULTILABEL)
    assert results["confusion_matrix"] == [[[0, 1], [0, 1]], [[1, 1], [0, 0]]]
    assert results["curves"]["dog"] == {"roc": [], "precision_recall": []}


def test_curves_end_where_they_must_and_stay_small():
    rng = np.random.default_rng(0)
    probs = rng.random((2000, 2)).astype(np.float32)
    targets = rng.integers(0, 2, (2000, 2)).astype(np.float32)
    results = evaluation(probs, targets, labels=LABELS, task=Task.MULTILABEL)
    roc = results["curves"]["cat"]["roc"]
    assert (roc[0], roc[-1]) == ([0.0, 0.0], [1.0, 1.0])
    assert len(roc) <= CURVE_POINTS
