"""From the cells of a feature map, through the canvas, to pixels of the image."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.canvas import Geometry
from inference.evidence import Grid
from xai.detection.odam import CellMap


def place(
    maps: Sequence[CellMap],
    geometry: Geometry,
    *,
    image_hw: tuple[int, int],
    size_hw: tuple[int, int],
) -> NDArray[np.float32]:
    """Add maps up on the image, interpolated bilinearly between cells: `size_hw`, float32.

    The result shows the whole image of `image_hw` pixels at `size_hw`; beside the region that the
    canvas shows it is 0.
    """
    total = np.zeros(size_hw, np.float32)
    per_pixel = tuple(image / size for image, size in zip(image_hw, size_hw, strict=True))
    x = (np.arange(size_hw[1]) + 0.5) * per_pixel[1]  # in pixels of the image
    y = (np.arange(size_hw[0]) + 0.5) * per_pixel[0]
    left, top, right, bottom = geometry.region_xyxy
    columns = np.flatnonzero((x >= left) & (x < right))
    rows = np.flatnonzero((y >= top) & (y < bottom))
    if not len(rows) or not len(columns):  # a tile thinner than a pixel of the result
        return total
    for map_ in maps:
        at_x = _cells(x[columns], 0, geometry, map_.grid)
        at_y = _cells(y[rows], 1, geometry, map_.grid)
        total[np.ix_(rows, columns)] += _sampled(map_.values, at_x, at_y)
    return total


def _cells(
    places: NDArray[np.floating], axis: int, geometry: Geometry, grid: Grid
) -> NDArray[np.float32]:
    """Places in the image, along x (0) or y (1), to fractional indices of cells."""
    on_canvas = (places - geometry.region_xyxy[axis]) * geometry.scale_xy[axis]
    return ((on_canvas + geometry.offset_xy[axis]) / grid.stride - grid.center).astype(np.float32)


def _sampled(
    values: NDArray[np.float32], at_x: NDArray[np.float32], at_y: NDArray[np.float32]
) -> NDArray[np.float32]:
    grid_x, grid_y = np.meshgrid(at_x, at_y)
    return np.asarray(
        cv2.remap(values, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def reduced_hw(size_hw: Sequence[int], *, longest: int) -> tuple[int, int]:
    """Return the size at which the longest side is at most `longest`."""
    scale = min(1.0, longest / max(size_hw))
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))
