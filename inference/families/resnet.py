"""ResNet (He et al., 2015, arXiv 1512.03385), torchvision's networks and weights."""

from functools import partial

from torch import nn
from torchvision import models

from inference.families.base import CamLayer, Family, register


def _build(depth: int, *, num_classes: int, image_size: int, pretrained: bool) -> nn.Module:
    network = models.get_model(f"resnet{depth}", weights="DEFAULT" if pretrained else None)
    network.fc = nn.Linear(network.fc.in_features, num_classes)
    return network


for _depth in (18, 34, 50, 101, 152):
    register(
        Family(
            name=f"resnet{_depth}",
            build=partial(_build, _depth),
            head="fc",
            cam=CamLayer("layer4"),
            freeze_groups=(("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)),
        )
    )
