"""YOLOv5 at five sizes, written from the published description and papers; no public weights.

YOLOv3 (arXiv 1804.02767), YOLOv4 (2004.10934), CSPNet (1911.11929), PANet (1803.01534).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.ops import box_convert

from inference.candidates import Candidates
from inference.errors import UsageError
from inference.families.base import DetectorFamily, register
from inference.families.yolov5.anchors import fit_to_data
from inference.families.yolov5.loss import losses
from inference.families.yolov5.network import SCALINGS, YoloV5
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
    kept = scores.amax(dim=-1) >= _LEAST_SCORE  # (N, boxes)
    boxes_xyxy = box_convert(output[..., :4][kept], "cxcywh", "xyxy")
    return Candidates(kept.nonzero()[:, 0], boxes_xyxy[:, None], scores[kept])


register(
    DetectorFamily(
        name="yolov5",
        build=_build,
        outputs=("output",),
        decode=_decode,
        losses=losses,
        heads=("heads",),
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
