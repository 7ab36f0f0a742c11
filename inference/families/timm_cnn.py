"""ResNeSt (arXiv 2004.08955) and SE-ResNeXt (arXiv 1709.01507), timm's networks and weights."""

from functools import partial

from torch import nn

from inference.families.base import CamLayer, Family, register
from inference.hub.timm_networks import create

_STEM_AND_STAGES = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))


def _build(architecture: str, *, num_classes: int, image_size: int, pretrained: bool) -> nn.Module:
    return create(architecture, pretrained=pretrained, num_classes=num_classes)


for _name, _architecture in {
    "resnest50": "resnest50d",
    "resnest101": "resnest101e",
    "seresnext": "seresnext50_32x4d",
}.items():
    register(
        Family(
            name=_name,
            build=partial(_build, _architecture),
            head="fc",
            cam=CamLayer("layer4"),
            freeze_groups=_STEM_AND_STAGES,
        )
    )
