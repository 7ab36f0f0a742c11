"""ResNets with a feature pyramid, and the public weights that a detector starts from."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision import models
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

FREEZE_GROUPS = (
    ("backbone.body.conv1", "backbone.body.bn1"),
    *((f"backbone.body.layer{i}",) for i in (1, 2, 3, 4)),
)


def resnet_fpn(
    depth: int,
    *,
    imagenet: bool,
    stages: Sequence[int] = (1, 2, 3, 4),
    coarser: ExtraFPNBlock | None = None,
) -> BackboneWithFPN:
    """Build a pyramid over `stages` of a ResNet, all of it trainable, with ordinary BatchNorm.

    `coarser` makes the further levels, by default one by pooling. Feature pyramid networks: Lin et
    al., 2016, arXiv 1612.03144.
    """
    return resnet_fpn_backbone(
        backbone_name=f"resnet{depth}",
        weights="IMAGENET1K_V1" if imagenet else None,
        norm_layer=nn.BatchNorm2d,
        trainable_layers=5,
        returned_layers=list(stages),
        extra_blocks=coarser,
    )


def has_coco_weights(name: str) -> bool:
    """Whether torchvision offers weights for a whole detector of this name."""
    return name in models.list_models(module=models.detection)


def load_coco_weights(network: nn.Module, name: str, *, new: tuple[str, ...]) -> None:
    """Load torchvision's COCO weights, except parameters with the prefixes `new`."""
    public: dict[str, Tensor] = _coco_weights(name).get_state_dict(progress=True, check_hash=True)
    own = {key: tensor for key, tensor in network.state_dict().items() if key.startswith(new)}
    network.load_state_dict(public | own)
    for norm in _batch_norms(network):
        # These weights were trained with layers that add no eps to the variance; ours add it.
        norm.running_var.sub_(norm.eps).clamp_(min=0)


def freeze_batch_norm(network: nn.Module) -> None:
    """Keep pretrained BatchNorm as it is: the few images of a detector's batch would spoil it."""
    for norm in _batch_norms(network):
        norm.requires_grad_(False)


def _coco_weights(name: str) -> Any:
    return models.get_model_weights(name)["COCO_V1"]


def _batch_norms(network: nn.Module) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
