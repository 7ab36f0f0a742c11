"""YOLOv5 at five sizes, written from the published description and papers; no public weights.

YOLOv3 (arXiv 1804.02767), YOLOv4 (2004.10934), CSPNet (1911.11929), PANet (1803.01534).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from torchvision.ops import box_convert

from inference.candidates import Candidates
from inference.errors import UsageError
from inference.evidence import Evidence, Traced, whole_map
from inference.families.base import ClassRows, DetectorFamily, register
from inference.families.yolov5.anchors import fit_to_data
from inference.families.yolov5.loss import losses
from inference.families.yolov5.network import SCALINGS, STRIDES, YoloV5
from inference.names import unknown_name

_LEAST_SCORE = 1e-3  # what scores less is never asked for, and would be nearly all there is to move


def _build(*, num_classes: int, options: Mapping[str, Any], pretrained: bool) -> nn.Module:
    if pretrained:
        raise UsageError(
            "there are no permissively licensed public weights for yolov5; "
            "set `pretrained: false` or `weights: PATH`"
        )
    return YoloV5(
        num_classes=num_classes, model_size=_size_named(options.get("model_size", "medium"))
    )


def _size_named(name: str) -> str:
    """Read "extra_large" also as job files from Azure spell it: "ExtraLarge"."""
    sizes = {size.replace("_", ""): size for size in SCALINGS}
    key = name.replace("_", "").lower()
    if key not in sizes:
        raise UsageError(unknown_name("model_size", name, SCALINGS))
    return sizes[key]


def _describe(network: Any) -> dict[str, Any]:
    return {"model_size": network.model_size}


def _decode(outputs: Sequence[Tensor]) -> Candidates:
    """Score = objectness · class probability; what is almost surely nothing stays behind."""
    (output,) = outputs
    scores = output[..., 4:5] * output[..., 5:]
    kept = _kept(output)  # (N, boxes)
    boxes_xyxy = box_convert(output[..., :4][kept], "cxcywh", "xyxy")
    return Candidates(kept.nonzero()[:, 0], boxes_xyxy[:, None], scores[kept])


def _kept(output: Tensor) -> Tensor:
    return (output[..., 4] * output[..., 5:].amax(dim=-1)) >= _LEAST_SCORE


def _read_evidence(network: Any, canvases: Tensor) -> Evidence:
    """Read all maps that the pyramid joins: a head alone sees a single cell, which shows nothing.

    They are those of the backbone before its pooling, which would move evidence to another cell.
    """
    with torch.no_grad():
        maps = network.stages(canvases)
    patches = [
        whole_map(map_, stride=stride, center=0.5)
        for map_, stride in zip(maps, STRIDES, strict=True)
    ]
    with torch.enable_grad():
        raw = network.of_stages([patch.values for patch in patches])
        logits = torch.cat([level.flatten(1, 3) for level in raw], dim=1)[0, :, 4:]
    output = network.decoded([level.detach() for level in raw])
    places = _kept(output)[0].nonzero()[:, 0]

    @torch.enable_grad()
    def trace(rows: Tensor, label_ids: Tensor) -> Traced:
        objectness, one_class = logits[places[rows], 0], logits[places[rows], 1 + label_ids]
        log_odds = _log_odds_of_both(objectness, one_class)
        return Traced(log_odds, [patches] * len(rows), False)

    return Evidence(_decode([output]), trace)


def _log_odds_of_both(a: Tensor, b: Tensor) -> Tensor:
    """Log-odds of σ(a)·σ(b), where 1 - σ(a)·σ(b) = σ(-a) + σ(a)·σ(-b)."""
    neither = torch.logaddexp(logsigmoid(-a), logsigmoid(a) + logsigmoid(-b))
    return logsigmoid(a) + logsigmoid(b) - neither


register(
    DetectorFamily(
        name="yolov5",
        build=_build,
        outputs=("output",),
        decode=_decode,
        losses=losses,
        read_evidence=_read_evidence,
        heads=("heads",),
        class_rows={"heads": ClassRows(before=5)},  # of each anchor: box and objectness
        freeze_groups=tuple((f"backbone.{i}",) for i in range(10)),
        canvas="letterbox",
        augmentation="mosaic",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        option_names=("model_size",),
        describe=_describe,
        fit_to_data=fit_to_data,
        averaged=True,
        clip_norm=10.0,
        defaults={
            "model_size": "medium",
            "number_of_epochs": 30,
            "training_batch_size": 16,
            "validation_batch_size": 16,
            "learning_rate": 0.01,
            "momentum": 0.937,
            "weight_decay": 5e-4,
            "box_score_threshold": 0.1,
        },
    )
)
