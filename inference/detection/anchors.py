"""From dense predictions at anchors to the best boxes of each image, without a loop over images."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import clip_boxes_to_image


def anchors_of_levels(
    generator: AnchorGenerator, canvases: Tensor, features: Sequence[Tensor]
) -> list[Tensor]:
    """Anchors (A, 4) of each level, in the order (row, column, shape); they suit every image."""
    one_image = ImageList(canvases, [tuple(canvases.shape[-2:])])
    (anchors,) = generator(one_image, list(features))
    per_cell = generator.num_anchors_per_location()
    counts = [
        map_.shape[-2] * map_.shape[-1] * n for map_, n in zip(features, per_cell, strict=True)
    ]
    ends = accumulate(counts)
    return [anchors[end - count : end] for count, end in zip(counts, ends, strict=True)]


def best_of_rows(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the `count` highest scores of each row of (N, A) and their places, both (N, count).

    A row that has fewer is filled up with -inf: an ONNX graph needs a fixed `count`.
    """
    values, places = pad(scores, (0, count), value=-torch.inf).topk(count)
    return values, places.clamp(max=scores.shape[1] - 1)


def pick(values: Tensor, places: Tensor) -> Tensor:
    """Rows (N, k, F) of values (N, A, F) at places (N, k)."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))


def decode_boxes(
    coder: BoxCoder, deltas: Tensor, anchors_xyxy: Tensor, *, size_hw: Sequence[int]
) -> Tensor:
    """Boxes (M, B, 4), cut at the border of the canvas, from deltas (M, 4·B) at anchors (M, 4)."""
    boxes = coder.decode_single(deltas, anchors_xyxy)
    return clip_boxes_to_image(boxes, size_hw).unflatten(1, (-1, 4))
