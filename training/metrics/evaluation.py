"""What is kept of the best epoch: confusion matrix, curves and a report per class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from inference.settings import LABEL_THRESHOLD
from inference.types import Task
from training.metrics.classification import classification_metrics

CURVE_POINTS = 200  # more are thinned out: a curve is drawn a few hundred pixels wide


def evaluation(
    probs: NDArray[np.float32],
    targets: NDArray[np.float32],
    *,
    labels: Sequence[str],
    task: Task,
) -> dict[str, Any]:
    """Everything worth keeping of one set of predictions, ready for JSON.

    probs and targets are (N, C). Keys: metrics, per_label, curves (micro_curves: of all labels
    together), and confusion_matrix: rows are the truth, columns the prediction (multi-label: a 2×2
    matrix per label instead).
    """
    truth = targets.astype(int)
    predicted = _predicted_labels(probs, task)
    return {
        "labels": list(labels),
        "metrics": classification_metrics(probs, targets, task=task),
        "confusion_matrix": _confusion(truth, predicted, task),
        "per_label": _per_label(truth, predicted, probs, labels),
        "curves": {label: _curves(truth[:, c], probs[:, c]) for c, label in enumerate(labels)},
        "micro_curves": _curves(truth.ravel(), probs.ravel()),
    }


def _predicted_labels(probs: NDArray[np.float32], task: Task) -> NDArray[np.int64]:
    if task is Task.MULTILABEL:
        return (probs >= LABEL_THRESHOLD).astype(np.int64)
    return np.eye(probs.shape[1], dtype=np.int64)[probs.argmax(axis=1)]


def _confusion(truth: NDArray[Any], predicted: NDArray[Any], task: Task) -> Any:
    if task is Task.MULTILABEL:
        return sk.multilabel_confusion_matrix(truth, predicted).tolist()
    return (truth.T @ predicted).tolist()


def _per_label(
    truth: NDArray[Any], predicted: NDArray[Any], probs: NDArray[Any], labels: Sequence[str]
) -> dict[str, dict[str, float]]:
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, predicted, zero_division=0
    )
    return {
        label: {
            "precision": float(precision[c]),
            "recall": float(recall[c]),
            "f1_score": float(f1[c]),
            "support": int(support[c]),
            "mean_probability": float(probs[:, c].mean()),
        }
        for c, label in enumerate(labels)
    }


def _curves(truth: NDArray[Any], probs: NDArray[Any]) -> dict[str, Any]:
    """ROC and precision-recall curve of one label; empty where it is undefined."""
    if not 0 < truth.sum() < len(truth):
        return {"roc": [], "precision_recall": []}
    false_rate, true_rate, _ = sk.roc_curve(truth, probs)
    precision, recall, _ = sk.precision_recall_curve(truth, probs)
    return {
        "roc": _points(false_rate, true_rate),
        "precision_recall": _points(recall, precision),
    }


def _points(x: NDArray[Any], y: NDArray[Any]) -> list[list[float]]:
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), CURVE_POINTS)).round().astype(int))
    return np.stack([x[kept], y[kept]], axis=1).round(6).tolist()
