"""RetinaNet (Lin et al., 2017, arXiv 1708.02002), torchvision's parts, losses and weights."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from inference.candidates import BoxTargets
from inference.detection.anchors import anchors_of_levels, best_of_rows, decode_boxes, pick
from inference.detection.backbones import (
    FREEZE_GROUPS,
    freeze_batch_norm,
    load_coco_weights,
    resnet_fpn,
)
from inference.detection.conversions import OUTPUTS, to_candidates, to_images, to_truth
from inference.families.base import DetectorFamily, register

_NAME = "retinanet_resnet50_fpn"
_HEADS = ("head.classification_head.cls_logits",)
_FLOOR = 0.01  # anchors whose best class scores less are no candidates
_PER_LEVEL = 1000


class CanvasRetinaNet(RetinaNet):
    """torchvision's RetinaNet, but for canvases (N, 3, H, W) and without thresholds and NMS."""

    def forward(self, canvases: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (M, 1, 4), scores (M, C), image ids (M,): the best 1000 anchors of each level."""
        features = list(self.backbone(canvases).values())
        of_levels = anchors_of_levels(self.anchor_generator, canvases, features)
        levels = [self._best_of_level(*level) for level in zip(features, of_levels, strict=True)]
        scores, deltas, anchors, best = (
            torch.cat(parts, dim=1) for parts in zip(*levels, strict=True)
        )
        found = best > -torch.inf
        boxes = decode_boxes(
            self.box_coder, deltas[found], anchors[found], size_hw=canvases.shape[-2:]
        )
        return boxes, scores[found], torch.where(found)[0]

    def _best_of_level(self, feature: Tensor, anchors: Tensor) -> tuple[Tensor, ...]:
        """Scores (N, k, C), deltas and anchors (N, k, 4), and (N, k) the best score or -inf."""
        dense = self.head([feature])
        scores = dense["cls_logits"].sigmoid()
        highest = scores.amax(dim=-1)
        candidates = highest.masked_fill(highest < _FLOOR, -torch.inf)
        best, places = best_of_rows(candidates, _PER_LEVEL)
        return pick(scores, places), pick(dense["bbox_regression"], places), anchors[places], best


def _losses(
    network: nn.Module, canvases: Tensor, targets: Sequence[BoxTargets]
) -> dict[str, Tensor]:
    retinanet = cast(CanvasRetinaNet, network)
    features = list(retinanet.backbone(canvases).values())
    anchors = retinanet.anchor_generator(to_images(canvases), features)
    truth = to_truth(targets, first_label=0)
    return retinanet.compute_loss(truth, retinanet.head(features), anchors)


def _build(*, num_classes: int, options: Mapping[str, Any], pretrained: bool) -> nn.Module:
    coarser = LastLevelP6P7(256, 256)
    backbone = resnet_fpn(50, imagenet=False, stages=(2, 3, 4), coarser=coarser)
    network = CanvasRetinaNet(backbone, num_classes)
    if pretrained:
        load_coco_weights(network, _NAME, new=_HEADS)
        freeze_batch_norm(network)
    return network


register(
    DetectorFamily(
        name=_NAME,
        build=_build,
        outputs=OUTPUTS,
        decode=to_candidates,
        losses=_losses,
        heads=_HEADS,
        freeze_groups=FREEZE_GROUPS,
        canvas="short_side",
    )
)
