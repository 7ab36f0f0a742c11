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
from inference.evidence import Evidence, Patch, Traced, cut_patch
from inference.families.base import DetectorFamily, register

_NAME = "retinanet_resnet50_fpn"
_HEADS = ("head.classification_head.cls_logits",)
_FLOOR = 0.01  # anchors whose best class scores less are no candidates
_PER_LEVEL = 1000
_FINEST_STRIDE = 8


class CanvasRetinaNet(RetinaNet):
    """torchvision's RetinaNet, but for canvases (N, 3, H, W) and without thresholds and NMS."""

    def forward(self, canvases: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (M, 1, 4), scores (M, C), image ids (M,): the best 1000 anchors of each level."""
        outputs, _ = self.find(canvases, list(self.backbone(canvases).values()))
        return outputs

    def find(
        self, canvases: Tensor, features: list[Tensor]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """What `forward` returns, and from where: level and anchor on it (M, 2)."""
        of_levels = anchors_of_levels(self.anchor_generator, canvases, features)
        levels = [self._best_of_level(*level) for level in zip(features, of_levels, strict=True)]
        scores, deltas, anchors, best, places = (
            torch.cat(parts, dim=1) for parts in zip(*levels, strict=True)
        )
        found = best > -torch.inf
        boxes = decode_boxes(
            self.box_coder, deltas[found], anchors[found], size_hw=canvases.shape[-2:]
        )
        ids = torch.where(found)[0]
        level_ids = torch.arange(len(levels), device=best.device).repeat_interleave(_PER_LEVEL)
        origins = torch.stack((level_ids.expand_as(best), places), dim=-1)[found]
        return (boxes, scores[found], ids), origins

    def _best_of_level(self, feature: Tensor, anchors: Tensor) -> tuple[Tensor, ...]:
        """Scores (N, k, C), deltas and anchors (N, k, 4), and (N, k): best score or -inf, place."""
        dense = self.head([feature])
        scores = dense["cls_logits"].sigmoid()
        highest = scores.amax(dim=-1)
        candidates = highest.masked_fill(highest < _FLOOR, -torch.inf)
        best, places = best_of_rows(candidates, _PER_LEVEL)
        deltas = pick(dense["bbox_regression"], places)
        return pick(scores, places), deltas, anchors[places], best, places

    def anchor_logits(self, patch: Patch, cell_yx: tuple[int, int]) -> Tensor:
        """Class logits (anchors · C,) at a cell of the map, from what the head sees of it."""
        (top, left), (row, column) = patch.corner_yx, cell_yx
        head = self.head.classification_head
        logits: Tensor = head.cls_logits(head.conv(patch.values))
        return logits[0, :, row - top, column - left]


@torch.no_grad()
def _read_evidence(network: Any, canvases: Tensor) -> Evidence:
    """Read what the head sees around a detection's cell: as far as its convolutions reach."""
    features = list(network.backbone(canvases).values())
    outputs, origins = network.find(canvases, features)
    (per_cell,) = set(network.anchor_generator.num_anchors_per_location())
    reach = len(network.head.classification_head.conv) + 1  # each sees one cell further

    @torch.enable_grad()
    def trace(rows: Tensor, label_ids: Tensor) -> Traced:
        patches, log_odds = [], []
        for (level, place), label_id in zip(
            origins[rows].tolist(), label_ids.tolist(), strict=True
        ):
            cell, anchor = divmod(place, per_cell)
            cell_yx = divmod(cell, features[level].shape[-1])
            patches.append(_patch_around(features[level], cell_yx, reach, level))
            logits = network.anchor_logits(patches[-1], cell_yx).view(per_cell, -1)
            log_odds.append(logits[anchor, label_id])
        return Traced(torch.stack(log_odds), [[patch] for patch in patches], True)

    return Evidence(to_candidates(outputs), trace)


def _patch_around(map_: Tensor, cell_yx: tuple[int, int], reach: int, level: int) -> Patch:
    """Cut at the map's border, where the whole map has the same zeros around it."""
    top, left = (max(place - reach, 0) for place in cell_yx)
    bottom, right = (
        min(place + reach + 1, side) for place, side in zip(cell_yx, map_.shape[-2:], strict=True)
    )
    stride = _FINEST_STRIDE * 2**level
    return cut_patch(map_, ((top, bottom), (left, right)), stride=stride, center=0.0)


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
        read_evidence=_read_evidence,
        heads=_HEADS,
        freeze_groups=FREEZE_GROUPS,
        canvas="short_side",
    )
)
