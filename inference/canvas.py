"""An image, or a region of it, laid onto the canvas that a detector sees, and the way back."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.preprocess import IMAGENET_MEAN

BUCKET = 64  # sides of a canvas are multiples of it: images of few different sizes share batches
_MEAN_COLOR = tuple(round(255 * mean) for mean in IMAGENET_MEAN)  # 0 once it is normalised
_LETTERBOX_COLOR = (114, 114, 114)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a region of an image lies on its canvas: canvas = (image - origin) · scale + offset.

    Pairs are (x, y) in pixels; region_xyxy is the part of the image that the canvas shows.
    """

    scale_xy: tuple[float, float]
    offset_xy: tuple[float, float]
    region_xyxy: tuple[int, int, int, int]

    def to_image(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (…, 4) from canvas to image pixels, cut at the border of the region."""
        left, top, right, bottom = self.region_xyxy
        origin, scale, offset = (
            np.tile(pair, 2) for pair in ((left, top), self.scale_xy, self.offset_xy)
        )
        boxes = (boxes_xyxy - offset) / scale + origin
        limits = np.array([left, top, left, top]), np.array([right, bottom, right, bottom])
        return np.clip(boxes, *limits).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """pixels (H, W, 3) uint8 RGB, not yet normalised, and how they belong to the image."""

    pixels: NDArray[np.uint8]
    geometry: Geometry


Region = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels of the image


def short_side_canvas(
    image_rgb: NDArray[np.uint8],
    *,
    min_size: int,
    max_size: int,
    region_xyxy: Region | None = None,
) -> Canvas:
    """Resize so that the short side is `min_size`, or the long side `max_size` if that is smaller.

    The picture lies in the upper left corner; what is left of the canvas, whose sides are the next
    multiples of 64, has ImageNet's mean colour. The canvas depends on the image's size alone.
    """
    region = region_xyxy or _whole(image_rgb)
    scale = short_side_scale(_size_hw(region), min_size=min_size, max_size=max_size)
    size_hw = _scaled(_size_hw(region), scale)
    canvas_hw = (_bucket(size_hw[0]), _bucket(size_hw[1]))
    return _placed(image_rgb, region, size_hw, canvas_hw, (0, 0), _MEAN_COLOR)


def letterbox_canvas(
    image_rgb: NDArray[np.uint8], *, size: int, region_xyxy: Region | None = None
) -> Canvas:
    """Fit the picture into the middle of a square of side `size`; the rest is grey (114)."""
    region = region_xyxy or _whole(image_rgb)
    size_hw = _scaled(_size_hw(region), letterbox_scale(_size_hw(region), size=size))
    top_left = (size - size_hw[0]) // 2, (size - size_hw[1]) // 2
    return _placed(image_rgb, region, size_hw, (size, size), top_left, _LETTERBOX_COLOR)


def short_side_scale(size_hw: tuple[int, int], *, min_size: int, max_size: int) -> float:
    """By which factor `short_side_canvas` resizes."""
    return min(min_size / min(size_hw), max_size / max(size_hw))


def letterbox_scale(size_hw: tuple[int, int], *, size: int) -> float:
    """By which factor `letterbox_canvas` resizes."""
    return size / max(size_hw)


def _size_hw(region: Region) -> tuple[int, int]:
    return region[3] - region[1], region[2] - region[0]


def _scaled(size_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))


def _whole(image_rgb: NDArray[np.uint8]) -> Region:
    return 0, 0, image_rgb.shape[1], image_rgb.shape[0]


def _bucket(side: int) -> int:
    return -(-side // BUCKET) * BUCKET


def _placed(
    image_rgb: NDArray[np.uint8],
    region: Region,
    size_hw: tuple[int, int],
    canvas_hw: tuple[int, int],
    top_left: tuple[int, int],
    color: tuple[int, ...],
) -> Canvas:
    left, top, right, bottom = region
    above, before = top_left
    below, behind = canvas_hw[0] - above - size_hw[0], canvas_hw[1] - before - size_hw[1]
    small = resize(image_rgb[top:bottom, left:right], size_hw)
    pixels = cv2.copyMakeBorder(
        small, above, below, before, behind, cv2.BORDER_CONSTANT, value=color
    )
    scale_xy = size_hw[1] / (right - left), size_hw[0] / (bottom - top)
    return Canvas(np.asarray(pixels), Geometry(scale_xy, (before, above), region))


def resize(image_rgb: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (H, W, 3): area averages where it shrinks, bilinear where it grows."""
    height, width = size_hw
    shrinks = height < image_rgb.shape[0] or width < image_rgb.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image_rgb, (width, height), interpolation=interpolation))
