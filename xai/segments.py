"""The regions that XRAI ranks: Felzenszwalb's segments at six scales, each grown by a disk.

Felzenszwalb and Huttenlocher, 2004, "Efficient Graph-Based Image Segmentation", with the constants
of XRAI's authors (package `saliency` 0.2.1) and bit-equal to what they get from scikit-image: the
same arithmetic in the same order. Smoothing, edge costs and their order are the same at all scales
and are computed once.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.transform import resize

from xai.union_find import bounding_boxes, merge_edges

SCALES = (50, 100, 150, 250, 500, 1200)
SIGMA = 0.8
MIN_PIXELS = 150
SIDE = 224  # images are segmented at this size, which the scales above are meant for
DILATION_RADIUS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """M overlapping regions of one image, as the rows of a sparse matrix (CSR).

    Region m covers the flat pixel indices pixels[starts[m] : starts[m + 1]], ascending.
    starts (M + 1,) int64, pixels (K,) int32.
    """

    shape_hw: tuple[int, int]
    starts: NDArray[np.int64]
    pixels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def masks(self) -> NDArray[np.bool_]:
        """Return the regions as an array (M, H, W) of booleans."""
        height, width = self.shape_hw
        masks = np.zeros((len(self), height * width), dtype=np.bool_)
        rows = np.repeat(np.arange(len(self)), np.diff(self.starts))
        masks[rows, self.pixels] = True
        return masks.reshape(-1, height, width)


def find_segments(image_hwc: NDArray[np.float32]) -> Segments:
    """Segment an image (H, W, C), normalised or not, at all scales: 130 to 330 regions of a photo.

    A constant image has one region per scale.
    """
    height, width = image_hwc.shape[:2]
    disk = _disk(DILATION_RADIUS)
    regions = [
        region
        for labels in label_maps(image_hwc)
        for region in _grown_regions(labels, disk, radius=DILATION_RADIUS)
    ]
    starts = np.cumsum([0, *map(len, regions)], dtype=np.int64)
    return Segments((height, width), starts, np.concatenate(regions))


def label_maps(image_hwc: NDArray[np.float32]) -> NDArray[np.int32]:
    """Segment an image (H, W, C) at every scale: (scales, H, W), labels from 0 in raster order."""
    small = resize(
        _spread(image_hwc), (SIDE, SIDE), order=3, mode="constant", preserve_range=True,
        anti_aliasing=True,
    )  # fmt: skip
    smooth = gaussian(
        small.astype(np.float64), sigma=(SIGMA, SIGMA, 0), mode="reflect", preserve_range=True
    )
    first, second, costs = _sorted_edges(smooth)
    scales = np.asarray(SCALES, np.float64) / 255.0
    labels = merge_edges(first, second, costs, scales, MIN_PIXELS, SIDE * SIDE)
    return labels[:, _nearest_pixels(image_hwc.shape[0], image_hwc.shape[1])]


def _spread(image_hwc: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spread the values over -1…1; a constant image becomes zeros instead of 0 / 0."""
    low, high = np.min(image_hwc), np.max(image_hwc)
    if low == high:
        return np.zeros_like(image_hwc)
    return (image_hwc - low) / (high - low) * 2.0 + -1.0


def _sorted_edges(
    image_hwc: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Both ends and the costs (colour distances) of all edges to 8 neighbours, cheapest first.

    Edges of equal cost come in the order that numpy's default sort leaves them in, which decides
    between equal merges; so the order right, down, down-right, up-right before sorting matters.
    """
    index = np.arange(SIDE * SIDE, dtype=np.int32).reshape(SIDE, SIDE)
    pairs = (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[1:, 1:], np.s_[:-1, :-1]),
        (np.s_[1:, :-1], np.s_[:-1, 1:]),
    )
    costs = np.concatenate([_distance(image_hwc[a], image_hwc[b]).ravel() for a, b in pairs])
    first = np.concatenate([index[a].ravel() for a, _ in pairs])
    second = np.concatenate([index[b].ravel() for _, b in pairs])
    order = np.argsort(costs)
    return first[order], second[order], costs[order]


def _distance(a_hwc: NDArray[np.float64], b_hwc: NDArray[np.float64]) -> NDArray[np.float64]:
    difference = a_hwc - b_hwc
    return np.sqrt(np.sum(difference * difference, axis=-1))


def _nearest_pixels(height: int, width: int) -> NDArray[np.intp]:
    """For each pixel of the image, the flat index of the pixel that was segmented: (H, W)."""
    index = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    return resize(
        index, (height, width), order=0, mode="constant", preserve_range=True, anti_aliasing=False
    ).astype(np.intp)


def _disk(radius: int) -> NDArray[np.uint8]:
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)


def _grown_regions(
    labels: NDArray[np.int32], disk: NDArray[np.uint8], *, radius: int
) -> list[NDArray[np.int32]]:
    """Dilate every label, working inside its bounding box: flat pixel indices per label."""
    height, width = labels.shape
    regions = []
    for label, (top, left, bottom, right) in enumerate(bounding_boxes(labels)):
        y, x = max(top - radius, 0), max(left - radius, 0)
        window = labels[y : min(bottom + radius, height), x : min(right + radius, width)]
        grown = cv2.dilate((window == label).astype(np.uint8), disk)
        rows, columns = np.nonzero(grown)
        regions.append(((rows + y) * width + columns + x).astype(np.int32))
    return regions
