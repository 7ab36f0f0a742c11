"""Faster R-CNN and Mask R-CNN, torchvision's parts, losses and weights.

Ren et al., 2015, arXiv 1506.01497; He et al., 2017, arXiv 1703.06870.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN

from inference.candidates import BoxTargets
from inference.detection.anchors import decode_boxes
from inference.detection.backbones import (
    FREEZE_GROUPS,
    freeze_batch_norm,
    has_coco_weights,
    load_coco_weights,
    resnet_fpn,
)
from inference.detection.conversions import OUTPUTS, to_candidates, to_images, to_truth
from inference.detection.pooling import POOLED_LEVELS, patches_of_rois, pool_patch, pool_rois
from inference.detection.proposals import propose
from inference.evidence import Evidence, Traced
from inference.families.base import ClassRows, DetectorFamily, register
from inference.types import Task

_SMALLEST_SIDE = 1e-2  # pixels; smaller boxes get the score 0
_BOX_GRID, _MASK_GRID = 7, 14
_ROIS_PER_IMAGE = 512  # that training learns from
_BOX_HEADS = ("roi_heads.box_predictor",)
_MASK_HEADS = ("roi_heads.mask_predictor.mask_fcn_logits",)
_CLASS_ROWS = {  # the background is the first class
    "roi_heads.box_predictor.cls_score": ClassRows(before=1),
    "roi_heads.box_predictor.bbox_pred": ClassRows(before=1, each=4),
    "roi_heads.mask_predictor.mask_fcn_logits": ClassRows(before=1),
}


class Rcnn(nn.Module):
    """Candidates for canvases (N, 3, H, W); parts and parameters have torchvision's names."""

    def __init__(self, detector: FasterRCNN) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.rpn = detector.rpn
        self.roi_heads = detector.roi_heads

    def forward(self, canvases: Tensor) -> tuple[Tensor, ...]:
        """Boxes (M, C, 4), scores (M, C), image ids (M,); then the maps that a mask head needs."""
        return self.outputs(canvases, *self.propose(canvases))

    def propose(self, canvases: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the maps that boxes are pooled from, and where to look on them: rois (M, 5)."""
        features = list(self.backbone(canvases).values())
        return features[:POOLED_LEVELS], propose(self.rpn, canvases, features)

    def outputs(
        self, canvases: Tensor, pooled: Sequence[Tensor], rois: Tensor
    ) -> tuple[Tensor, ...]:
        """What `forward` returns, from what `propose` does."""
        boxes, scores = self._classify(pooled, rois, canvases.shape[-2:])
        maps = pooled if self.roi_heads.has_mask() else []
        return boxes, scores, rois[:, 0].long(), *maps

    def _classify(
        self, features: Sequence[Tensor], rois: Tensor, size_hw: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        heads = self.roi_heads
        logits, deltas = heads.box_predictor(
            heads.box_head(pool_rois(features, rois, size=_BOX_GRID))
        )
        boxes = decode_boxes(heads.box_coder, deltas, rois[:, 1:], size_hw=size_hw)[:, 1:]
        scores = logits.softmax(dim=-1)[:, 1:]  # without the background
        small = (boxes[..., 2:] - boxes[..., :2] < _SMALLEST_SIDE).any(dim=-1)
        return boxes, scores.masked_fill(small, 0.0)


def _mask_head(
    network: nn.Module, features: Sequence[Tensor], rois: Tensor, label_ids: Tensor
) -> Tensor:
    """Probabilities (R, 28, 28) of each roi's own class."""
    heads: Any = network.roi_heads
    logits = heads.mask_predictor(heads.mask_head(pool_rois(features, rois, size=_MASK_GRID)))
    own_class = (label_ids + 1)[:, None, None, None].expand(-1, 1, *logits.shape[-2:])
    return logits.gather(1, own_class)[:, 0].sigmoid()


@torch.no_grad()
def _read_evidence(network: Any, canvases: Tensor) -> Evidence:
    """Read what a proposal is pooled from: proposals do not see one another."""
    pooled, rois = network.propose(canvases)

    @torch.enable_grad()
    def trace(rows: Tensor, label_ids: Tensor) -> Traced:
        chosen = rois[rows]
        patches = patches_of_rois(pooled, chosen)
        grids = [pool_patch(*pair, size=_BOX_GRID) for pair in zip(patches, chosen, strict=True)]
        logits, _ = network.roi_heads.box_predictor(network.roi_heads.box_head(torch.cat(grids)))
        return Traced(_log_odds(logits, label_ids + 1), [[patch] for patch in patches], True)

    return Evidence(to_candidates(network.outputs(canvases, pooled, rois)), trace)


def _log_odds(logits: Tensor, columns: Tensor) -> Tensor:
    """Of each row's softmax at its own column: the logit against all others together."""
    own = columns[:, None]
    others = logits.scatter(1, own, -torch.inf).logsumexp(dim=1)
    return logits.gather(1, own)[:, 0] - others


def _losses(
    network: nn.Module, canvases: Tensor, targets: Sequence[BoxTargets]
) -> dict[str, Tensor]:
    """torchvision's losses, also for a network in evaluation mode."""
    parts: Any = network
    images, truth = to_images(canvases), to_truth(targets, first_label=1)
    features = parts.backbone(canvases)
    with _training(parts.rpn, parts.roi_heads):
        proposals, of_rpn = parts.rpn(images, features, truth)
        _, of_heads = parts.roi_heads(features, proposals, images.image_sizes, truth)
    return of_rpn | of_heads


@contextmanager
def _training(*modules: nn.Module) -> Iterator[None]:
    """Let modules, but not what is in them, compute their losses."""
    before = [module.training for module in modules]
    for module in modules:
        module.training = True
    try:
        yield
    finally:
        for module, was in zip(modules, before, strict=True):
            module.training = was


def _build(
    name: str,
    depth: int,
    detector: type[FasterRCNN],
    heads: tuple[str, ...],
    *,
    num_classes: int,
    options: Mapping[str, Any],
    pretrained: bool,
) -> nn.Module:
    coco = pretrained and has_coco_weights(name)
    backbone = resnet_fpn(depth, imagenet=pretrained and not coco)
    network = Rcnn(
        detector(
            backbone,
            num_classes=num_classes + 1,  # and the background
            box_batch_size_per_image=options.get("rois_per_image", _ROIS_PER_IMAGE),
        )
    )
    if coco:
        load_coco_weights(network, name, new=heads)
    if pretrained:
        freeze_batch_norm(network)
    return network


def _family(name: str, depth: int, *, masks: bool) -> DetectorFamily:
    heads = _BOX_HEADS + _MASK_HEADS if masks else _BOX_HEADS
    maps = tuple(f"feature_{level}" for level in range(POOLED_LEVELS))
    return DetectorFamily(
        name=name,
        build=partial(_build, name, depth, MaskRCNN if masks else FasterRCNN, heads),
        outputs=OUTPUTS + maps if masks else OUTPUTS,
        decode=to_candidates,
        losses=_losses,
        read_evidence=_read_evidence,
        heads=heads,
        class_rows=_CLASS_ROWS,
        freeze_groups=FREEZE_GROUPS,
        canvas="short_side",
        mask_head=_mask_head if masks else None,
        tasks=frozenset({Task.SEGMENTATION if masks else Task.DETECTION}),
        option_names=("rois_per_image",),
    )


for _depth in (18, 34, 50, 101, 152):
    register(_family(f"fasterrcnn_resnet{_depth}_fpn", _depth, masks=False))
    register(_family(f"maskrcnn_resnet{_depth}_fpn", _depth, masks=True))
