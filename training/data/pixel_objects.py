"""Objects from coordinates in pixels: the frame these refer to, and ratios clipped to it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.polygons import polygons_of
from training.data.image_files import image_size_hw
from training.data.label_rings import bounding_box
from training.data.records import ObjectLabel

_MAX_POINTS = 400  # of one outline: labels are worth more points than predictions


def frame_hw(image: Path, *, stated_hw: tuple[int, int] | None = None) -> tuple[int, int]:
    """Height and width in pixels that coordinates refer to: the stated ones, else the file's.

    A copy of another size keeps its ratios. Raises ValueError when the image cannot be read, or
    was labelled lying on its side: its EXIF orientation turns it, but not the labels.
    """
    found_hw = image_size_hw(image)
    if stated_hw is None or min(stated_hw) <= 0:  # some tools write 0
        return found_hw
    if stated_hw == found_hw[::-1] != found_hw:
        raise ValueError(
            f"the labels are for {_wh(stated_hw)} pixels, but upright, as its EXIF orientation "
            f"says, the image has {_wh(found_hw)}: turn the labels, or remove the orientation"
        )
    return stated_hw


def box_object(
    label: str,
    box_xyxy: tuple[float, float, float, float],
    *,
    size_hw: tuple[int, int],
    is_crowd: bool = False,
) -> ObjectLabel:
    """Clip a box in pixels to the image. Raises ValueError when no area is left."""
    x1, y1, x2, y2 = _ratios(box_xyxy, size_hw)
    if not (x1 < x2 and y1 < y2):
        corners = ", ".join(f"{number:g}" for number in box_xyxy)
        raise ValueError(f"the box ({corners}) has no area in the image of {_wh(size_hw)} pixels")
    return ObjectLabel(label, (x1, y1, x2, y2), is_crowd)


def polygon_object(
    label: str,
    rings: Sequence[Sequence[float]],
    *,
    size_hw: tuple[int, int],
    is_crowd: bool = False,
) -> ObjectLabel:
    """Clip rings (x1, y1, x2, y2, …) in pixels to the image.

    Rings of fewer than 3 distinct points are left out. Raises ValueError when no ring with an area
    is left.
    """
    if any(len(ring) % 2 for ring in rings):
        raise ValueError("its outline has an odd number of coordinates")
    inside = tuple(
        ring
        for ring in (_ratios(ring, size_hw) for ring in rings)
        if len(set(zip(ring[::2], ring[1::2], strict=True))) >= 3
    )
    if not inside:
        raise ValueError("its outline has no ring of at least 3 points")
    x1, y1, x2, y2 = box = bounding_box(inside)
    if not (x1 < x2 and y1 < y2):
        raise ValueError(f"its outline has no area in the image of {_wh(size_hw)} pixels")
    return ObjectLabel(label, box, is_crowd, inside)


def mask_object(label: str, mask: NDArray[np.bool_], *, is_crowd: bool = False) -> ObjectLabel:
    """Outline a mask (h, w) of the whole image. Raises ValueError for an empty one."""
    height, width = mask.shape
    rings = polygons_of(np.ascontiguousarray(mask), max_points=_MAX_POINTS)
    return polygon_object(label, rings, size_hw=(height, width), is_crowd=is_crowd)


def _ratios(numbers: Sequence[float], size_hw: tuple[int, int]) -> tuple[float, ...]:
    height, width = size_hw
    scale = (width, height)
    return tuple(min(max(n / scale[index % 2], 0.0), 1.0) for index, n in enumerate(numbers))


def _wh(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[1]}×{size_hw[0]}"
