"""Features of boxes from a pyramid of feature maps, for the boxes of all images at once."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align
from torchvision.ops.poolers import LevelMapper

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
