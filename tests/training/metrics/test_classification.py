import math

import numpy as np
import pytest
from sklearn import metrics as sk

from inference.types import Task
from training.metrics.classification import classification_metrics, label_iou


def onehot(truth, classes):
    return np.eye(classes, dtype=np.float32)[truth]


def multiclass(probs, truth):
    probs = np.array(probs, np.float32)
    return classification_metrics(probs, onehot(truth, probs.shape[1]), task=Task.CLASSIFICATION)


# Truth 0, 0, 1, 2; predicted 0, 1, 1, 2.
PROBS = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]]
TRUTH = [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 3 / 4),
        ("balanced_accuracy", (1 / 2 + 1 + 1) / 3),
        ("norm_macro_recall", ((5 / 6) - 1 / 3) / (1 - 1 / 3)),
        ("weighted_accuracy", (2 + 0 + 1 + 1) / (2 + 2 + 1 + 1)),
        ("log_loss", -(math.log(0.8) + math.log(0.3) + math.log(0.7) + math.log(0.8)) / 4),
        ("precision_score_macro", (1 + 1 / 2 + 1) / 3),
        ("recall_score_macro", 5 / 6),
        ("f1_score_micro", 3 / 4),
        ("precision_score_weighted", (2 * 1 + 1 / 2 + 1) / 4),
        ("AUC_macro", (1 + 1 + 1) / 3),
    ],
)
def test_multiclass_metrics_by_hand(name, expected):
    assert multiclass(PROBS, TRUTH)[name] == pytest.approx(expected, abs=1e-6)


def test_a_perfect_prediction_scores_one_everywhere_but_in_log_loss():
    values = multiclass(np.eye(3), [0, 1, 2])
    assert values.pop("log_loss") == pytest.approx(0)
    assert values == pytest.approx(dict.fromkeys(values, 1.0))


def test_values_equal_scikit_learns_on_random_predictions():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), 60).astype(np.float32)
    truth = rng.integers(0, 4, 60)
    values = multiclass(probs, truth)
    predicted = probs.argmax(axis=1)
    ovr = sk.roc_auc_score(truth, probs / probs.sum(1, keepdims=True), multi_class="ovr")
    assert values["AUC_macro"] == pytest.approx(ovr, abs=1e-6)
    assert values["f1_score_weighted"] == pytest.approx(
        sk.f1_score(truth, predicted, average="weighted")
    )
    assert values["matthews_correlation"] == pytest.approx(sk.matthews_corrcoef(truth, predicted))


def test_two_classes_add_the_binary_scores():
    values = multiclass([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], [0, 0, 1])
    assert values["precision_score_binary"] == pytest.approx(1 / 2)
    assert values["recall_score_binary"] == 1.0
    assert values["AUC_binary"] == 1.0


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ([[0, 0]], [[0, 0]], 1.0),  # nothing to find and nothing found
        ([[1, 0]], [[0, 0]], 0.0),
        ([[1, 0]], [[1, 1]], 0.5),
        ([[1, 1], [1, 0]], [[1, 1], [0, 1]], 0.5),
    ],
)
def test_label_iou(truth, predicted, expected):
    assert label_iou(np.array(truth), np.array(predicted)) == expected


def test_multilabel_counts_a_label_from_one_half_on():
    probs = np.array([[0.5, 0.4], [0.2, 0.9]], np.float32)
    targets = np.array([[1, 0], [1, 1]], np.float32)
    values = classification_metrics(probs, targets, task=Task.MULTILABEL)
    assert values["iou"] == pytest.approx((1 + 1 / 2) / 2)
    assert values["accuracy"] == 0.5
    assert values["recall_score_micro"] == pytest.approx(2 / 3)


def test_a_label_that_all_images_have_leaves_every_metric_finite():
    probs = np.array([[0.9, 0.4], [0.8, 0.9]], np.float32)
    targets = np.array([[1, 0], [1, 1]], np.float32)
    values = classification_metrics(probs, targets, task=Task.MULTILABEL)
    assert all(math.isfinite(value) for value in values.values())
