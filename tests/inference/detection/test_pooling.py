"""Pooling over a pyramid against torchvision's MultiScaleRoIAlign."""

import torch
from torchvision.ops import MultiScaleRoIAlign

from inference.detection.pooling import pool_rois


def pyramid(height=96, width=128):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, 5, height // stride, width // stride, generator=generator)
        for stride in (4, 8, 16, 32)
    ]


def test_no_boxes_give_no_features():
    assert pool_rois(pyramid(), torch.zeros(0, 5), size=7).shape == (0, 5, 7, 7)


def test_boxes_of_all_sizes_are_pooled_as_torchvision_does():
    generator = torch.Generator().manual_seed(1)
    corners = torch.tensor([128.0, 96.0]) * torch.rand(60, 2, 2, generator=generator)
    boxes_xyxy = torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)
    boxes_xyxy[:20, 2:] += 600  # for the coarsest map
    maps = pyramid()
    image_ids = torch.arange(60) % 2
    rois = torch.cat([image_ids[:, None].float(), boxes_xyxy], dim=1)
    names = [str(level) for level in range(4)]
    reference = MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2)
    per_image = [boxes_xyxy[image_ids == image] for image in (0, 1)]
    expected = reference(dict(zip(names, maps, strict=True)), per_image, [(96, 128)] * 2)
    got = pool_rois(maps, rois, size=7)
    assert torch.equal(torch.cat([got[image_ids == image] for image in (0, 1)]), expected)
