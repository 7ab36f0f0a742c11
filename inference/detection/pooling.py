"""Features of boxes from a pyramid of feature maps, for the boxes of all images at once."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align
from torchvision.ops.poolers import LevelMapper

from inference.evidence import Patch, cut_patch

POOLED_LEVELS = 4  # strides 4, 8, 16 and 32
_FINEST = 2  # log2 of the first stride
_level_of_boxes = LevelMapper(_FINEST, _FINEST + POOLED_LEVELS - 1)


def pool_rois(features: Sequence[Tensor], rois: Tensor, *, size: int) -> Tensor:
    """Pool every box from the map of its size: (R, channels, size, size).

    features: maps (N, channels, h, w) of strides 4, 8, 16 and 32; rois (R, 5): id of the image, box
    in canvas pixels. Equal to torchvision's MultiScaleRoIAlign, which takes lists per image; levels
    by eq. 1 of Lin et al., 2016, arXiv 1612.03144.
    """
    levels = _level_of_boxes([rois[:, 1:]])
    indices = [torch.where(levels == level)[0] for level in range(POOLED_LEVELS)]
    pooled = [
        roi_align(map_, rois[index], size, spatial_scale=0.5 ** (_FINEST + level), sampling_ratio=2)
        for level, (map_, index) in enumerate(zip(features, indices, strict=True))
    ]
    return torch.cat(pooled)[torch.cat(indices).argsort()]


def patches_of_rois(features: Sequence[Tensor], rois: Tensor) -> list[Patch]:
    """For each roi (R, 5) of one image, the part of its map that `pool_rois` reads."""
    levels = _level_of_boxes([rois[:, 1:]]).tolist()
    return [
        _patch_of_roi(features[level], box, stride=2 ** (_FINEST + level))
        for level, box in zip(levels, rois[:, 1:].tolist(), strict=True)
    ]


def _patch_of_roi(map_: Tensor, box_xyxy: Sequence[float], *, stride: int) -> Patch:
    x1, y1, x2, y2 = (side / stride for side in box_xyxy)
    height, width = map_.shape[-2:]
    window = _cells(y1, y2, height), _cells(x1, x2, width)
    return cut_patch(map_, window, stride=stride, center=0.0)


def _cells(low: float, high: float, count: int) -> tuple[int, int]:
    """From which to which cell RoIAlign reads, with one to spare; it takes sides under 1 for 1."""
    first = min(max(math.floor(low) - 1, 0), count - 1)
    return first, min(math.ceil(max(high, low + 1)) + 2, count)


def pool_patch(patch: Patch, roi: Tensor, *, size: int) -> Tensor:
    """Pool one roi (5,) from its patch: (1, channels, size, size), as `pool_rois` does."""
    top, left = patch.corner_yx
    stride = patch.grid.stride
    shift = roi.new_tensor([0, left, top, left, top]) * stride
    return roi_align(
        patch.values, (roi - shift)[None], size, spatial_scale=1 / stride, sampling_ratio=2
    )
