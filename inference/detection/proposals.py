"""Where objects may be: region proposals (Ren et al., 2015, arXiv 1506.01497)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection.rpn import RegionProposalNetwork

from inference.detection.anchors import anchors_of_levels, best_of_rows, decode_boxes, pick
from inference.detection.suppression import suppress

_PER_LEVEL = 1000
_PER_IMAGE = 1000


def propose(rpn: RegionProposalNetwork, canvases: Tensor, features: Sequence[Tensor]) -> Tensor:
    """Rois (M, 5), image id and box_xyxy in canvas pixels: at most 1000 per image, best first.

    What `rpn` computes in evaluation mode for images as large as the canvas.
    """
    boxes, logits = _candidates(rpn, canvases, features)  # (N, levels, k, 4), (N, levels, k)
    kept = suppress(boxes.flatten(0, 1), logits.flatten(0, 1), iou_threshold=rpn.nms_thresh)
    best, places = best_of_rows(kept.view_as(logits).flatten(1), _PER_IMAGE)
    found = best > -torch.inf
    image_ids = torch.where(found)[0]
    return torch.cat(
        (image_ids[:, None].to(boxes), pick(boxes.flatten(1, 2), places)[found]), dim=1
    )


def _candidates(
    rpn: RegionProposalNetwork, canvases: Tensor, features: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Boxes (N, levels, k, 4) and logits (N, levels, k), which are -inf where there is no box."""
    of_levels = anchors_of_levels(rpn.anchor_generator, canvases, features)
    dense = zip(*rpn.head(list(features)), of_levels, strict=True)
    levels = [_best_of_level(*level) for level in dense]
    logits, deltas, anchors = (torch.stack(parts, dim=1) for parts in zip(*levels, strict=True))
    boxes = decode_boxes(
        rpn.box_coder,
        deltas.flatten(0, 2),
        anchors.flatten(0, 2),
        size_hw=canvases.shape[-2:],
    ).view_as(deltas)
    large = (boxes[..., 2:] - boxes[..., :2] >= rpn.min_size).all(dim=-1)
    return boxes, logits.masked_fill(~large, -torch.inf)


def _best_of_level(logits: Tensor, deltas: Tensor, anchors: Tensor) -> tuple[Tensor, ...]:
    """Logits (N, k), deltas and anchors (N, k, 4), from maps (N, A, h, w) and (N, 4·A, h, w)."""
    best, places = best_of_rows(logits.permute(0, 2, 3, 1).flatten(1), _PER_LEVEL)
    at_anchors = deltas.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
    return best, pick(at_anchors, places), anchors[places]
