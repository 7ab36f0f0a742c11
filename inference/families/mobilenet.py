"""MobileNetV2 (Sandler et al., 2018, arXiv 1801.04381), torchvision's network and weights."""

from torch import nn
from torchvision import models

from inference.families.base import CamLayer, Family, register


def _build(*, num_classes: int, image_size: int, pretrained: bool) -> nn.Module:
    network: models.MobileNetV2 = models.get_model(
        "mobilenet_v2", weights="DEFAULT" if pretrained else None
    )
    network.classifier[1] = nn.Linear(network.last_channel, num_classes)
    return network


register(
    Family(
        name="mobilenetv2",
        build=_build,
        head="classifier.1",
        cam=CamLayer("features.18"),
        freeze_groups=tuple((f"features.{i}",) for i in range(19)),
    )
)
