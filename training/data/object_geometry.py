"""Objects moved with their image, and cut where it ends."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.detection_samples import Objects, Sample
from training.data.ring_geometry import Ring, clipped

Matrix = NDArray[np.float64]  # (2, 3): (x', y') = matrix @ (x, y, 1), in pixels
Region = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels
Color = tuple[int, int, int]
_MIN_SIDE = 1.0  # pixels; a thinner rest of an object is none


def scaling(scale_xy: tuple[float, float], offset_xy: tuple[float, float]) -> Matrix:
    """The matrix that multiplies by a scale and then adds an offset."""
    return np.array([[scale_xy[0], 0.0, offset_xy[0]], [0.0, scale_xy[1], offset_xy[1]]])


def transformed(objects: Objects, matrix: Matrix) -> Objects:
    """Objects under an affine map; a box becomes the upright box around what became of it.

    What became of it are the object's rings, or without rings the four corners of its box.
    """
    corners = _mapped(objects.boxes_xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2), matrix)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    rings = tuple(tuple(_mapped(ring, matrix) for ring in item) for item in objects.rings)
    return replace(objects, boxes_xyxy=_around(rings, boxes), rings=rings)


def visible(objects: Objects, size_hw: tuple[int, int], *, min_share: float) -> Objects:
    """Objects cut at the borders of an image, without those of which too little is left.

    The share that is left is that of the box's area; what is left must have sides of a pixel.
    """
    height, width = size_hw
    shares = visible_shares(objects.boxes_xyxy, (0, 0, width, height))
    seen = objects[shares >= min_share]
    boxes = np.clip(seen.boxes_xyxy, 0, np.array([width, height] * 2, np.float32))
    rings = tuple(tuple(clipped(ring, size_hw) for ring in item) for item in seen.rings)
    boxes = _around(rings, boxes)
    is_left = (boxes[:, 2:] - boxes[:, :2] >= _MIN_SIDE).all(axis=1)
    return replace(seen, boxes_xyxy=boxes, rings=rings)[is_left]


def visible_shares(boxes_xyxy: NDArray[np.float32], region_xyxy: Region) -> NDArray[np.float32]:
    """(n,) shares of the boxes' areas that lie in a region; 0 for a box without area."""
    left, top, right, bottom = region_xyxy
    inside = np.clip(boxes_xyxy, [left, top, left, top], [right, bottom, right, bottom])
    return np.asarray(_areas(inside) / np.maximum(_areas(boxes_xyxy), 1e-9), np.float32)


def cut_out(sample: Sample, region_xyxy: Region, *, min_share: float) -> Sample:
    """One region of an image, a view into it, with what is visible there of its objects."""
    left, top, right, bottom = region_xyxy
    moved = transformed(sample.objects, scaling((1.0, 1.0), (-left, -top)))
    seen = visible(moved, (bottom - top, right - left), min_share=min_share)
    return Sample(sample.image_rgb[top:bottom, left:right], seen)


def warped(
    sample: Sample, matrix: Matrix, *, size_hw: tuple[int, int], fill: Color, min_share: float
) -> Sample:
    """An image and its objects under an affine map, on a canvas of the given size and colour."""
    between_centers = matrix.copy()  # OpenCV puts (0, 0) into the middle of the first pixel
    between_centers[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    image = cv2.warpAffine(sample.image_rgb, between_centers, size_hw[::-1], borderValue=fill)
    seen = visible(transformed(sample.objects, matrix), size_hw, min_share=min_share)
    return Sample(np.asarray(image, np.uint8), seen)


def _mapped(points: NDArray[np.float32], matrix: Matrix) -> NDArray[np.float32]:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def _areas(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def _around(
    rings: tuple[tuple[Ring, ...], ...], boxes_xyxy: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Boxes around the rings, without area if those are empty; the given box if there are none."""
    boxes = boxes_xyxy.copy()
    for place, points in ((at, np.concatenate(item)) for at, item in enumerate(rings) if item):
        boxes[place] = [*points.min(axis=0), *points.max(axis=0)] if len(points) else 0
    return boxes
