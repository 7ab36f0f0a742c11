"""Pillow's anti-aliased resize of 8-bit RGB images, bit for bit, and two to four times as fast.

First the columns, then the rows become weighted sums of their neighbours, with weights in fixed
point, each rounded to 8 bits. Sums of whole rows are what processors do many of at once; Pillow
sums pixel by pixel.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.compiled import compiled

_KEPT = 64  # taps of so many sides
_STRIP = 64  # rows that are turned at a time: they stay in the cache
_BITS = 22  # of a weight's fraction: 255 · 2²² and the overshoot of negative weights fit in int32
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Filter:
    """What a neighbour weighs by its distance in pixels of the result; 0 from `support` on."""

    support: float
    weigh: Callable[[Floats], Floats]


def _box(distance: Floats) -> Floats:
    return ((distance > -0.5) & (distance <= 0.5)).astype(np.float64)


def _bilinear(distance: Floats) -> Floats:
    return np.maximum(1.0 - np.abs(distance), 0.0)


def _hamming(distance: Floats) -> Floats:
    angle = distance * math.pi
    window = float(np.float32(0.54)) + float(np.float32(0.46)) * np.cos(angle)
    return np.where(np.abs(distance) < 1.0, np.sinc(distance) * window, 0.0)


def _bicubic(distance: Floats) -> Floats:
    a, x = -0.5, np.abs(distance)  # Keys, 1981, with the a that is exact for parabolas
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos(distance: Floats) -> Floats:
    return np.where(np.abs(distance) < 3.0, np.sinc(distance) * np.sinc(distance / 3.0), 0.0)


FILTERS: Mapping[str, Filter] = {
    "box": Filter(0.5, _box),
    "bilinear": Filter(1.0, _bilinear),
    "hamming": Filter(1.0, _hamming),
    "bicubic": Filter(2.0, _bicubic),
    "lanczos": Filter(3.0, _lanczos),
}


def resize_region(
    image_rgb: Pixels, box_xyxy: Box, size_hw: tuple[int, int], interpolation: str
) -> Pixels:
    """Resize the region `box_xyxy`, in pixels that may be fractions, of an image to `size_hw`.

    (H, W, 3) to (*size_hw, 3). `interpolation` is one of FILTERS. Only pixels that count are read.
    """
    left, top, right, bottom = (np.float32(side) for side in box_xyxy)  # as Pillow keeps them
    chosen = FILTERS[interpolation]
    across = _taps(image_rgb.shape[1], left, right, size_hw[1], chosen)
    down = _taps(image_rgb.shape[0], top, bottom, size_hw[0], chosen)
    seen = image_rgb[down.first : down.last, across.first : across.last]
    narrow = np.empty((len(seen), size_hw[1], 3), np.uint8)
    for y in range(0, len(seen), _STRIP):  # columns become rows, which one instruction blends
        columns = np.asarray(cv2.transpose(seen[y : y + _STRIP]), np.uint8)
        narrow[y : y + _STRIP] = cv2.transpose(_blend(columns, across))
    return _blend(narrow, down)


@dataclass(frozen=True, slots=True, eq=False)
class _Taps:
    """Of each of n results: the first neighbour, how many there are, and weights (n, most)."""

    starts: NDArray[np.int32]
    counts: NDArray[np.int32]
    weights: NDArray[np.int32]

    @property
    def first(self) -> int:
        """The first of all neighbours."""
        return int(self.starts[0])

    @property
    def last(self) -> int:
        """The place after the last of them."""
        return int(self.starts[-1] + self.counts[-1])


@lru_cache(_KEPT)  # a camera's photos all have the same
def _taps(length: int, start: np.float32, end: np.float32, size: int, chosen: Filter) -> _Taps:
    scale = float(end - start) / size
    stretch = max(scale, 1.0)  # neighbours are only spread where the image gets smaller
    reach = chosen.support * stretch
    centers = float(start) + (np.arange(size) + 0.5) * scale
    starts = np.maximum((centers - reach + 0.5).astype(np.int32), 0)
    ends = np.minimum((centers + reach + 0.5).astype(np.int32), length)
    places = starts[:, None] + np.arange((ends - starts).max())
    values = chosen.weigh((places - centers[:, None] + 0.5) * (1.0 / stretch))
    values[places >= ends[:, None]] = 0.0
    values /= np.cumsum(values, axis=1)[:, -1:]  # one after the other, as a loop adds them
    fixed = np.trunc(values * (1 << _BITS) + np.copysign(0.5, values)).astype(np.int32)
    return _Taps(starts, ends - starts, fixed)


def _blend(image: Pixels, taps: _Taps) -> Pixels:
    """(H, W, 3), row 0 being the first neighbour that counts, to (n, W, 3)."""
    rows = image.reshape(len(image), -1)
    sums = _blend_rows(rows, taps.starts - taps.first, taps.counts, taps.weights)
    return sums.reshape(len(sums), *image.shape[1:])


@compiled
def _blend_rows(
    image: Pixels,
    starts: NDArray[np.int32],
    counts: NDArray[np.int32],
    weights: NDArray[np.int32],
) -> Pixels:
    """(H, bytes of a row) to (n, bytes of a row); starts, counts (n,), weights (n, most)."""
    size, width = starts.shape[0], image.shape[1]
    result = np.empty((size, width), np.uint8)
    sums = np.empty(width, np.int32)
    for y in range(size):
        sums[:] = 1 << (_BITS - 1)
        for k in range(counts[y]):
            weight, row = weights[y, k], image[starts[y] + k]
            for x in range(width):
                sums[x] += np.int32(row[x]) * weight
        for x in range(width):
            result[y, x] = min(max(sums[x] >> _BITS, 0), 255)
    return result
