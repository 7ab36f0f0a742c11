"""Metrics of both classification tasks, under Azure's names and averages; scikit-learn's values."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from inference.settings import LABEL_THRESHOLD
from inference.types import Task

Array = NDArray[np.float32]
AVERAGES = ("macro", "micro", "weighted")


def classification_metrics(probs: Array, targets: Array, *, task: Task) -> dict[str, float]:
    """All metrics of a set of predictions.

    probs (N, C) in [0, 1], targets (N, C) of 0 and 1. A metric that the data leave undefined (the
    AUC of a class that no image or every image has) counts as 0 in the averages.
    """
    if task is Task.MULTILABEL:
        return _multilabel(probs.astype(np.float64), targets.astype(int))
    return _multiclass(probs.astype(np.float64), targets.argmax(axis=1))


def _multiclass(probs: NDArray[np.float64], truth: NDArray[np.intp]) -> dict[str, float]:
    classes = probs.shape[1]
    predicted = probs.argmax(axis=1)
    onehot = np.eye(classes, dtype=int)[truth]
    balanced = _recall_of_present_classes(truth, predicted)
    chance = 1.0 / classes
    of_truth = probs[np.arange(len(truth)), truth]
    values = {
        "accuracy": float(np.mean(predicted == truth)),
        "balanced_accuracy": balanced,
        "weighted_accuracy": _weighted_accuracy(truth, predicted),
        "norm_macro_recall": max(0.0, (balanced - chance) / (1.0 - chance)),
        "matthews_correlation": float(sk.matthews_corrcoef(truth, predicted)),
        "log_loss": float(-np.mean(np.log(of_truth.clip(1e-15)))),
        **_averaged(onehot, np.eye(classes, dtype=int)[predicted]),
        **_ranked(onehot, probs),
    }
    if classes == 2:
        values |= _binary(truth, predicted, probs[:, 1])
    return values


def _multilabel(probs: NDArray[np.float64], truth: NDArray[Any]) -> dict[str, float]:
    predicted = (probs >= LABEL_THRESHOLD).astype(int)
    return {
        "iou": label_iou(truth, predicted),
        "accuracy": float(np.mean((predicted == truth).all(axis=1))),
        "log_loss": _mean_log_loss(truth, probs),
        **_averaged(truth, predicted),
        **_ranked(truth, probs),
    }


def label_iou(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean over images of |right labels| / |labels of either side|; 1 where both sides are empty.

    truth and predicted are (N, C) of 0 and 1.
    """
    both = (truth & predicted).sum(axis=1)
    either = (truth | predicted).sum(axis=1)
    return float(np.mean(np.where(either == 0, 1.0, both / np.maximum(either, 1))))


def _recall_of_present_classes(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    return float(np.mean([np.mean(predicted[truth == c] == c) for c in np.unique(truth)]))


def _weighted_accuracy(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Accuracy where each image weighs as much as its class has images."""
    weights = np.bincount(truth)[truth]
    return float(np.average(predicted == truth, weights=weights))


def _mean_log_loss(truth: NDArray[Any], probs: NDArray[np.float64]) -> float:
    """Binary cross-entropy, averaged over images and classes."""
    p = probs.clip(1e-15, 1 - 1e-15)
    return float(-np.mean(truth * np.log(p) + (1 - truth) * np.log(1 - p)))


def _averaged(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """F1, precision and recall in each average, from indicator matrices (N, C)."""
    scores = {
        "f1_score": sk.f1_score,
        "precision_score": sk.precision_score,
        "recall_score": sk.recall_score,
    }
    return {
        f"{name}_{average}": float(score(truth, predicted, average=average, zero_division=0))
        for name, score in scores.items()
        for average in AVERAGES
    }


def _ranked(truth: NDArray[Any], probs: NDArray[np.float64]) -> dict[str, float]:
    """AUC and average precision in each average; one class against the rest."""
    values = {}
    for name, score in (("AUC", sk.roc_auc_score), ("average_precision_score", _precision)):
        per_class = np.array([_defined(score, t, p) for t, p in zip(truth.T, probs.T, strict=True)])
        values[f"{name}_macro"] = float(per_class.mean())
        values[f"{name}_micro"] = _defined(score, truth.ravel(), probs.ravel())
        support = truth.sum(axis=0)
        values[f"{name}_weighted"] = float(per_class @ support / max(1, support.sum()))
    return values


def _precision(truth: NDArray[Any], probs: NDArray[np.float64]) -> float:
    return float(sk.average_precision_score(truth, probs))


def _defined(score: Callable[..., float], truth: NDArray[Any], probs: NDArray[Any]) -> float:
    """The score, or 0 where there are no positives or no negatives to rank."""
    return float(score(truth, probs)) if 0 < truth.sum() < len(truth) else 0.0


def _binary(
    truth: NDArray[Any], predicted: NDArray[Any], positive: NDArray[Any]
) -> dict[str, float]:
    """Scores of the second class alone, for two classes."""
    return {
        "AUC_binary": _defined(sk.roc_auc_score, truth, positive),
        "average_precision_score_binary": _defined(_precision, truth, positive),
        "f1_score_binary": float(sk.f1_score(truth, predicted, zero_division=0)),
        "precision_score_binary": float(sk.precision_score(truth, predicted, zero_division=0)),
        "recall_score_binary": float(sk.recall_score(truth, predicted, zero_division=0)),
    }
