"""The common language of all families: tasks, and frozen structs of arrays."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects of one image, highest score first.

    boxes_xyxy (N, 4) float32 in absolute pixels; scores (N,) float32 in [0, 1]; label_ids (N,)
    int64, indices of the model's labels; masks (N, M, M) float32 in [0, 1], the probability of the
    object in each cell of a grid that spans its box, or None for a detector without masks; ids (N,)
    int64, numbers by which a caller knows them again after they were chosen and merged, or None.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    label_ids: NDArray[np.int64]
    masks: NDArray[np.float32] | None = None
    ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        shapes = {
            "boxes_xyxy": (self.boxes_xyxy.shape, (count, 4)),
            "scores": (self.scores.shape, (count,)),
            "label_ids": (self.label_ids.shape, (count,)),
        }
        if self.masks is not None:
            side = self.masks.shape[-1]
            shapes["masks"] = (self.masks.shape, (count, side, side))
        if self.ids is not None:
            shapes["ids"] = (self.ids.shape, (count,))
        for name, (got, expected) in shapes.items():
            if got != expected:
                raise ValueError(f"{name} must have shape {expected}, got {got}")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> "Detections":
        """Choose by a slice, a boolean mask (N,) or indices."""
        masks = None if self.masks is None else self.masks[index]
        ids = None if self.ids is None else self.ids[index]
        return Detections(
            self.boxes_xyxy[index], self.scores[index], self.label_ids[index], masks, ids
        )


Rings = list[list[float]]  # x1, y1, x2, y2, … in pixels


@dataclass(frozen=True, slots=True, eq=False)
class ObjectsFound:
    """What a detector answers for one image: detections in its pixels, and the model's labels.

    outlines has per detection the rings of its polygon, or an image file of its mask if that was
    asked for; None for a detector without masks.
    """

    detections: Detections
    labels: tuple[str, ...]
    size_hw: tuple[int, int]
    outlines: tuple[Rings | bytes, ...] | None = None


def probabilities(logits: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
    """Logits (…, C) to probabilities: a softmax, or a sigmoid per class if multi-label."""
    wide = logits.astype(np.float64)
    if task is Task.MULTILABEL:
        return (0.5 * (1.0 + np.tanh(0.5 * wide))).astype(np.float32)  # a sigmoid without overflow
    exp = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=-1, keepdims=True), dtype=np.float32)
