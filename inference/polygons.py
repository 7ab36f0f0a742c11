"""Masks as grids, windows of pixels, polygons and pictures.

Polygons run along the edges of pixels: pixel (x, y) is the square from (x, y) to (x + 1, y + 1),
and it belongs to a polygon where its centre does. Filling the full outline of a mask thus gives
the mask back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.types import Rings

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Points = NDArray[Any]  # whole numbers, (n, 2) or, as OpenCV has them, (n, 1, 2)
ImageType = Literal["JPG", "PNG", "BMP"]

_FINEST = 1.0  # half pixels; no smaller tolerance takes off the steps of an outline
_STEPS = 12  # doublings and halvings in search of a tolerance
_ENOUGH = 0.9  # of max_points; the search for a smaller tolerance ends there


def mask_window(
    mask_grid: Floats, box_xyxy: Floats, *, size_hw: tuple[int, int], threshold: float
) -> tuple[Bools, tuple[int, int]]:
    """Resample a grid of probabilities onto the pixels inside its box and threshold it.

    mask_grid (M, M) in [0, 1], its cells span the box; box_xyxy (4,) and size_hw in pixels of the
    image. Returns the window's mask, true where the probability is over `threshold`, and its left
    and top pixel. The window is cut at the border of the image; the memory it takes depends on the
    part of the box inside the image alone. Bilinear between the centres of the cells, which are
    where the mask head was trained to see them; torchvision's paste_masks_in_image rounds the box
    to whole pixels instead, which moves the outline of small objects.
    """
    x1, y1, x2, y2 = box_xyxy.tolist()
    columns, left = _bilinear(x1, x2, limit=size_hw[1], cells=len(mask_grid))
    rows, top = _bilinear(y1, y2, limit=size_hw[0], cells=len(mask_grid))
    return (rows @ mask_grid @ columns.T) > threshold, (left, top)


def _bilinear(low: float, high: float, *, limit: int, cells: int) -> tuple[Floats, int]:
    """Weights (pixels, cells) of linear interpolation along one side, and the first pixel.

    A pixel belongs where its centre does; outside the outermost centres the border's value holds.
    """
    start = min(max(math.ceil(low - 0.5), 0), limit)
    stop = max(start, min(math.ceil(high - 0.5), limit))
    places = (np.arange(start, stop) + 0.5 - low) * (cells / max(high - low, 1e-9)) - 0.5
    distances = np.abs(places.clip(0, cells - 1)[:, None] - np.arange(cells))
    return np.maximum(0.0, 1.0 - distances).astype(np.float32), start


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    """The border of one component, or of a hole in it, with its area; in half pixels."""

    points: Points
    area: float
    component: int
    is_hole: bool


def polygons_of(mask: Bools, *, offset_xy: tuple[int, int] = (0, 0), max_points: int) -> Rings:
    """Outline a mask (h, w) by rings [x1, y1, x2, y2, …] in pixels, shifted by `offset_xy`.

    One ring per component, the largest first. A hole is joined to its ring by a cut that runs there
    and back (a keyhole), so that the rings mean the same to even-odd filling and to COCO's union of
    rings. An empty mask has no rings.

    All rings together have at most `max_points` points, of which there must be 3. Points are left
    out by Douglas and Peucker's rule (1973) under the smallest tolerance that suffices; components
    and holes with less area than its square are dropped.
    """
    outlines = _outlines(mask)
    rings: dict[int, Points] = {}
    for outline, points in zip(outlines, _fitted(outlines, max_points), strict=False):
        ring = rings.get(outline.component)
        rings[outline.component] = points if ring is None else _joined(ring, points)
    return [(ring / 2 + offset_xy).ravel().tolist() for ring in rings.values()]


def _outlines(mask: Bools) -> list[_Outline]:
    """All borders, the largest first, so that a component precedes its holes.

    OpenCV's contours join the centres of pixels. So they are followed on a finer picture whose
    even pixels are the corners of the mask's pixels and whose odd ones are their centres.
    """
    height, width = mask.shape
    corners = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    corners[1::2, 1::2] = mask
    corners = cv2.dilate(corners, np.ones((3, 3), np.uint8))
    contours, hierarchy = cv2.findContours(corners, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents = hierarchy[0, :, 3].tolist() if contours else []
    outlines = [
        _Outline(contour, cv2.contourArea(contour), i if parent < 0 else parent, parent >= 0)
        for i, (contour, parent) in enumerate(zip(contours, parents, strict=True))
    ]
    return sorted(outlines, key=lambda outline: -outline.area)


def _fitted(outlines: Sequence[_Outline], max_points: int) -> list[Points]:
    """Simplify under the smallest tolerance whose points there is room for, or nearly so.

    The result belongs to the first outlines, which are the largest. Where even the coarsest
    tolerance leaves too many of one size, the last of them are dropped.
    """
    limit = math.sqrt(outlines[0].area) if outlines else 0.0
    low, high, tolerance = 0.0, limit, 0.0
    best = _simplified(outlines, limit)
    for _ in range(_STEPS):
        tried = _simplified(outlines, tolerance)
        count = sum(_costs(outlines, tried))
        if count > max_points:
            low = tolerance
        else:
            best, high = tried, tolerance
        if high == 0.0 or _ENOUGH * max_points <= count <= max_points:
            break
        tolerance = min(max(_FINEST, 2 * low), (low + high) / 2)
    room = np.searchsorted(np.cumsum(_costs(outlines, best)), max_points, side="right")
    return best[:room] or [_triangle(outline.points) for outline in outlines[:1]]


def _costs(outlines: Sequence[_Outline], simplified: Sequence[Points]) -> list[int]:
    """Points of every simplified outline, with the two that the cut to a hole takes."""
    pairs = zip(outlines, simplified, strict=False)
    return [len(points) + 2 * outline.is_hole for outline, points in pairs]


def _simplified(outlines: Sequence[_Outline], tolerance: float) -> list[Points]:
    kept = (outline for outline in outlines if math.sqrt(outline.area) >= tolerance)
    return [_approximated(outline.points, tolerance) for outline in kept]


def _approximated(points: Points, tolerance: float) -> Points:
    """Simplify a closed line to no less than three points."""
    fewer = cv2.approxPolyDP(points, tolerance, closed=True)
    return fewer.reshape(-1, 2) if len(fewer) >= 3 else _triangle(points)


def _triangle(points: Points) -> Points:
    """Return three points of a closed line."""
    return points[np.arange(3) * len(points) // 3].reshape(-1, 2)


def _joined(ring: Points, hole: Points) -> Points:
    """Walk along the ring, over the shortest cut once around the hole, back and on."""
    distances = np.square(ring[:, None] - hole).sum(axis=2)
    i, j = np.unravel_index(distances.argmin(), distances.shape)
    return np.concatenate([ring[: i + 1], hole[j:], hole[: j + 1], ring[i:]])


def fill_polygons(rings: Sequence[Sequence[float]], *, size_hw: tuple[int, int]) -> Bools:
    """Fill rings [x1, y1, x2, y2, …] in pixels: the mask (H, W) of their union.

    A pixel is in a ring where its centre is, by the even-odd rule.
    """
    mask = np.zeros(size_hw, np.bool_)
    for ring in rings:
        inside, (left, top) = _filled(np.asarray(ring, np.float64).reshape(-1, 2), size_hw)
        height, width = inside.shape
        mask[top : top + height, left : left + width] |= inside
    return mask


def _filled(
    points_xy: NDArray[np.float64], size_hw: tuple[int, int]
) -> tuple[Bools, tuple[int, int]]:
    """Fill one ring: its window's mask, left and top. Along a row every edge crossed toggles."""
    rows, columns = _crossings(points_xy, size_hw)
    if not len(rows):
        return np.zeros((0, 0), np.bool_), (0, 0)
    top, left = int(rows.min()), int(columns.min())
    height, width = int(rows.max()) + 1 - top, int(columns.max()) + 1 - left
    places = (rows - top) * width + columns - left
    toggles = np.bincount(places, minlength=height * width).astype(np.uint8)
    inside = np.cumsum(toggles.reshape(height, width), axis=1, dtype=np.uint8) & 1
    return inside[:, : size_hw[1] - left].view(np.bool_), (left, top)


def _crossings(
    points_xy: NDArray[np.float64], size_hw: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows whose centre line an edge crosses, and the first column whose centre lies behind it."""
    (x1, y1), (x2, y2) = points_xy.T, np.roll(points_xy, -1, axis=0).T
    above, below = (
        _centres(np.minimum(y1, y2), size_hw[0]),
        _centres(np.maximum(y1, y2), size_hw[0]),
    )
    counts = below - above
    edge = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(edge)) + np.repeat(above - (np.cumsum(counts) - counts), counts)
    slope = (x2 - x1)[edge] / (y2 - y1)[edge]
    return rows, _centres(x1[edge] + (rows + 0.5 - y1[edge]) * slope, size_hw[1])


def _centres(positions: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Index of the first pixel whose centre is at or behind a position."""
    return np.ceil(positions - 0.5).clip(0, limit).astype(np.int64)


def mask_image(mask: Bools, *, image_type: ImageType) -> bytes:
    """Encode a mask (H, W) as a picture, white on black."""
    _, data = cv2.imencode(f".{image_type.lower()}", mask.astype(np.uint8) * 255)
    return data.tobytes()
