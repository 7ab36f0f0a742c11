"""The truth about the objects of one image, in its pixels, and the image together with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.records import Record
from training.data.ring_geometry import Ring


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The n objects of one image, in the order of its record.

    boxes_xyxy (n, 4) float32 and rings, a tuple per object of float32 (k, 2), in pixels; label_ids
    (n,) int64; is_crowd (n,) bool. An object that has a box alone has no rings.
    """

    boxes_xyxy: NDArray[np.float32]
    label_ids: NDArray[np.int64]
    is_crowd: NDArray[np.bool_]
    rings: tuple[tuple[Ring, ...], ...]

    def __post_init__(self) -> None:
        count = len(self.label_ids)
        if self.boxes_xyxy.shape != (count, 4) or len(self.rings) != count:
            raise ValueError(
                f"{count} objects must have boxes_xyxy of shape ({count}, 4) and as many tuples of "
                f"rings, got {self.boxes_xyxy.shape} and {len(self.rings)}"
            )

    def __len__(self) -> int:
        return len(self.label_ids)

    def __getitem__(self, index: Any) -> "Objects":
        """Choose by a slice, a boolean mask (n,) or indices."""
        rings = tuple(self.rings[place] for place in np.arange(len(self))[index])
        return Objects(self.boxes_xyxy[index], self.label_ids[index], self.is_crowd[index], rings)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """image_rgb (H, W, 3) uint8 and the objects in it."""

    image_rgb: NDArray[np.uint8]
    objects: Objects

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image_rgb.shape[0], self.image_rgb.shape[1]


def truth_of(record: Record, labels: Sequence[str], size_hw: tuple[int, int]) -> Objects:
    """Objects of a record in pixels of its image; `labels` gives the order of the classes."""
    size_wh = np.array([size_hw[1], size_hw[0]], np.float32)
    ids = {label: index for index, label in enumerate(labels)}
    boxes = np.array([item.box for item in record.objects], np.float32).reshape(-1, 4)
    return Objects(
        boxes_xyxy=boxes * np.tile(size_wh, 2),
        label_ids=np.array([ids[item.label] for item in record.objects], np.int64),
        is_crowd=np.array([item.is_crowd for item in record.objects], np.bool_),
        rings=tuple(
            tuple(np.array(ring, np.float32).reshape(-1, 2) * size_wh for ring in item.polygons)
            for item in record.objects
        ),
    )


def joined(parts: Sequence[Objects]) -> Objects:
    """Objects of several parts of one image as those of the whole, in the given order."""
    return Objects(
        boxes_xyxy=np.concatenate([part.boxes_xyxy for part in parts]),
        label_ids=np.concatenate([part.label_ids for part in parts]),
        is_crowd=np.concatenate([part.is_crowd for part in parts]),
        rings=tuple(rings for part in parts for rings in part.rings),
    )
