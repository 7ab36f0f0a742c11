"""The common language of all families: tasks, and frozen structs of arrays."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Task(StrEnum):
    """The four tasks, by the names that job files use."""

    CLASSIFICATION = "image_classification"
    MULTILABEL = "image_classification_multilabel"
    DETECTION = "image_object_detection"
    SEGMENTATION = "image_instance_segmentation"


CLASSIFICATION_TASKS = frozenset({Task.CLASSIFICATION, Task.MULTILABEL})


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Class probabilities of one image. probs (C,) float32 in [0, 1], in label order."""

    probs: NDArray[np.float32]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.probs.shape != (len(self.labels),):
            raise ValueError(
                f"probs must have shape ({len(self.labels)},) to match the labels, "
                f"got {self.probs.shape}"
            )


def probabilities(logits: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
    """Logits (…, C) to probabilities: a softmax, or a sigmoid per class if multi-label."""
    wide = logits.astype(np.float64)
    if task is Task.MULTILABEL:
        return (0.5 * (1.0 + np.tanh(0.5 * wide))).astype(np.float32)  # a sigmoid without overflow
    exp = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=-1, keepdims=True), dtype=np.float32)
