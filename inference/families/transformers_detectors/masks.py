"""Mask2Former (arXiv 2112.01527): every query is an object, with a class and a mask of its own.

A detection's score is the probability of its class times how sure its mask is, as in the paper's
inference for instances; its box is what surrounds its mask.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from inference.candidates import BoxTargets, Candidates
from inference.evidence import Evidence, Traced, whole_map

OUTPUTS = ("logits", "boxes", "masks")
_GRID = 112  # samples of a mask along each side of its box


class MaskDetector(nn.Module):
    """A network of the library, under the name `detector`. Sides are multiples of 32."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector: Any = detector

    def forward(self, canvases: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Canvases (N, 3, H, W) to logits (N, Q, C + 1), boxes (N, Q, 4) and masks.

        Boxes are xyxy in canvas pixels; masks (N, Q, h, w) are logits on a coarser grid.
        """
        found = self.detector(pixel_values=canvases)
        masks = found.masks_queries_logits.float()
        return found.class_queries_logits.float(), boxes_around(masks, canvases.shape[-2:]), masks


def boxes_around(masks: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Boxes (N, Q, 4) of the cells where mask logits (N, Q, h, w) are positive, in pixels.

    An empty mask has a box without area.
    """
    inside = masks > 0
    sides = [_extent(inside.any(dim=dim)) for dim in (-2, -1)]  # of columns, of rows
    (x1, x2), (y1, y2) = sides
    scale_y, scale_x = (side / cells for side, cells in zip(size_hw, masks.shape[-2:], strict=True))
    return torch.stack([x1 * scale_x, y1 * scale_y, x2 * scale_x, y2 * scale_y], dim=-1)


def _extent(present: Tensor) -> tuple[Tensor, Tensor]:
    """Where the first present cell of (..., n) begins, and where the last one ends."""
    cells = torch.arange(present.shape[-1], device=present.device, dtype=torch.float32)
    first = cells.where(present, torch.inf).amin(dim=-1)
    last = (cells + 1).where(present, -torch.inf).amax(dim=-1)
    found = present.any(dim=-1)
    return first.where(found, 0.0), last.where(found, 0.0)


def decode(outputs: Sequence[Tensor]) -> Candidates:
    """Every query is a candidate, and has its own map for `mask_head`."""
    logits, boxes_xyxy, masks = outputs
    images, queries = logits.shape[:2]
    image_ids = torch.arange(images, device=logits.device).repeat_interleave(queries)
    scores = (logits.log_softmax(dim=-1)[..., :-1] + _log_quality(masks)[..., None]).exp()
    return Candidates(
        image_ids,
        boxes_xyxy.flatten(0, 1)[:, None],
        scores.flatten(0, 1),
        features=(masks.flatten(0, 1)[:, None],),
        map_ids=torch.arange(images * queries, device=logits.device),
    )


def _log_quality(masks: Tensor) -> Tensor:
    """Log of the mean probability of the cells (N, Q, h, w) that belong to a mask; -inf without."""
    inside = masks > 0
    total = masks.sigmoid().where(inside, 0.0).sum(dim=(-2, -1))
    return (total / inside.sum(dim=(-2, -1)).clamp(min=1)).log()


def mask_head(network: Any, features: Sequence[Tensor], rois: Tensor, _: Tensor) -> Tensor:
    """Probabilities (R, 112, 112) of each roi's own map, on a grid over its box."""
    (masks,) = features
    scale = 1 / network.detector.config.common_stride
    sampled = roi_align(masks, rois, _GRID, spatial_scale=scale, sampling_ratio=1, aligned=True)
    return sampled[:, 0].sigmoid()


def losses(network: Any, canvases: Tensor, targets: Sequence[BoxTargets]) -> dict[str, Tensor]:
    """Return the library's sum of its weighted losses, of all layers of the decoder."""
    masks = [target.masks for target in targets]
    found = network.detector(
        pixel_values=canvases,
        mask_labels=[mask.to(canvases) for mask in masks if mask is not None],
        class_labels=[target.label_ids for target in targets],
    )
    return {"loss_segmentation": found.loss}


def read_evidence(network: Any, canvases: Tensor) -> Evidence:
    """Read the pixel decoder's maps: every query looks at all of them."""
    model = network.detector.model
    with torch.no_grad():
        pixels = model.pixel_level_module(canvases)
    maps = (*pixels.decoder_hidden_states, pixels.decoder_last_hidden_state)
    width = canvases.shape[-1]
    patches = [whole_map(map_, stride=width // map_.shape[-1], center=0.5) for map_ in maps]
    *levels, finest = (patch.values for patch in patches)
    with torch.enable_grad():
        found = model.transformer_module(levels, finest, output_hidden_states=True)
        queries = found.intermediate_hidden_states[-1].transpose(0, 1)
        logits = network.detector.class_predictor(queries).float()
        masks = found.masks_queries_logits[-1].float()

    @torch.enable_grad()
    def trace(rows: Tensor, label_ids: Tensor) -> Traced:
        log_p = logits[0, rows].log_softmax(dim=-1).gather(1, label_ids[:, None])[:, 0]
        log_score = log_p + _log_quality(masks)[0, rows]
        return Traced(
            log_score - (-torch.expm1(log_score)).log(), [patches] * len(rows), disjoint=False
        )

    boxes = boxes_around(masks.detach(), canvases.shape[-2:])
    return Evidence(decode((logits.detach(), boxes, masks.detach())), trace)
