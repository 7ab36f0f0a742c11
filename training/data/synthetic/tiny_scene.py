"""Large pictures of many tiny objects: what a detector finds only if it looks at tiles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.camera import photograph, random_light
from training.data.synthetic.layers import lay, random_place
from training.data.synthetic.scene import box_around, check_labels
from training.data.synthetic.surfaces import random_surface
from training.data.synthetic.things import random_thing

_ROOM = 2.5  # side of the cell that an object has for itself, in sides of the largest object
_FINER = 2  # a sprite's pixels per pixel of the picture


@dataclass(frozen=True, slots=True, eq=False)
class TinyScene:
    """image_rgb (H, W, 3) uint8 with N objects: labels, and boxes_xyxy (N, 4) float32 in pixels."""

    image_rgb: NDArray[np.uint8]
    labels: tuple[str, ...]
    boxes_xyxy: NDArray[np.float32]


def generate_tiny_scene(
    labels: Sequence[str],
    *,
    size_hw: tuple[int, int] = (1500, 2000),
    sides_px: tuple[float, float] = (12.0, 16.0),
    seed: int,
) -> TinyScene:
    """Draw one object per label, apart from each other; the same arguments, the same picture.

    sides_px are the smallest and largest side of the square that an object stands in. Raises
    ValueError for an unknown label, or for more objects than there is room for.
    """
    check_labels(labels)
    rng = np.random.default_rng(seed)
    canvas = random_surface(rng, size_hw=size_hw)
    light = random_light(rng)
    cell = round(_ROOM * sides_px[1])
    boxes = []
    for label, (top, left) in zip(labels, _cells(rng, len(labels), cell, size_hw), strict=True):
        window = canvas[top : top + cell, left : left + cell]
        side = rng.uniform(*sides_px)
        ground = window.mean(axis=(0, 1))
        sprite = random_thing(rng, label, side=round(_FINER * side), ground=ground)
        place = random_place(rng, sprite, side=side, size_hw=(cell, cell))
        canvas[top : top + cell, left : left + cell] = lay(window, sprite, place, light)
        boxes.append(box_around(place.alpha > 0.5) + np.array([left, top] * 2, np.float32))
    return TinyScene(
        photograph(canvas, rng), tuple(labels), np.array(boxes, np.float32).reshape(-1, 4)
    )


def _cells(
    rng: np.random.Generator, count: int, cell: int, size_hw: tuple[int, int]
) -> list[tuple[int, int]]:
    """Top and left of `count` random squares of a grid over the picture."""
    rows, columns = size_hw[0] // cell, size_hw[1] // cell
    if count > rows * columns:
        raise ValueError(
            f"{count} objects need as many cells of {cell} pixels, and a picture of "
            f"{size_hw[1]}×{size_hw[0]} pixels has {rows * columns}; ask for fewer or smaller ones"
        )
    chosen = rng.choice(rows * columns, size=count, replace=False).tolist()
    return [(number // columns * cell, number % columns * cell) for number in chosen]
