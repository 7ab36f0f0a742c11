"""Vision transformers (Dosovitskiy et al., 2020, arXiv 2010.11929), timm's networks and weights."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from inference.families.base import CamLayer, Family, register
from inference.hub.timm_networks import create
from inference.types import Task


def _build(architecture: str, *, num_classes: int, image_size: int, pretrained: bool) -> nn.Module:
    return create(architecture, pretrained=pretrained, num_classes=num_classes, img_size=image_size)


def _tokens_to_map(network: Any, tokens: Tensor) -> Tensor:
    """(B, prefix + h·w, C) to (B, C, h, w): the class token has no place in the image."""
    height, width = network.patch_embed.grid_size
    patches = tokens[:, network.num_prefix_tokens :]
    return patches.transpose(1, 2).unflatten(2, (height, width))


def _defaults(learning_rate: float, batch_size: int) -> dict[str, float]:
    return {
        "learning_rate": learning_rate,
        "training_batch_size": batch_size,
        "validation_batch_size": batch_size,
    }


# name, architecture, blocks, batch size, learning rates of multi-class and multi-label
for _name, _architecture, _depth, _batch, _multiclass, _multilabel in (
    ("vits16r224", "vit_small_patch16_224", 12, 128, 0.0125, 0.025),
    ("vitb16r224", "vit_base_patch16_224", 12, 48, 0.0125, 0.025),
    ("vitl16r224", "vit_large_patch16_224", 24, 10, 0.001, 0.002),
):
    register(
        Family(
            name=_name,
            build=partial(_build, _architecture),
            head="head",
            cam=CamLayer(f"blocks.{_depth - 1}.norm1", _tokens_to_map),
            freeze_groups=(("patch_embed",), *((f"blocks.{i}",) for i in range(_depth))),
            fixed_size=True,
            size_multiple=16,
            defaults={
                Task.CLASSIFICATION: _defaults(_multiclass, _batch),
                Task.MULTILABEL: _defaults(_multilabel, _batch),
            },
        )
    )
