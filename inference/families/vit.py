"""Vision transformers (Dosovitskiy et al., 2020, arXiv 2010.11929), timm's networks and weights."""

from functools import partial
from typing import Any

import timm
from torch import Tensor, nn

from inference.families.base import CamLayer, Family, register
from inference.types import Task


def _build(architecture: str, *, num_classes: int, image_size: int, pretrained: bool) -> nn.Module:
    network: nn.Module = timm.create_model(
        architecture, pretrained=pretrained, num_classes=num_classes, img_size=image_size
    )
    return network


def _tokens_to_map(network: Any, tokens: Tensor) -> Tensor:
    """(B, prefix + h·w, C) to (B, C, h, w): the class token has no place in the image."""
    height, width = network.patch_embed.grid_size
    patches = tokens[:, network.num_prefix_tokens :]
    return patches.transpose(1, 2).unflatten(2, (height, width))


def _register(name: str, architecture: str, depth: int, **defaults: dict[str, float]) -> None:
    register(
        Family(
            name=name,
            build=partial(_build, architecture),
            head="head",
            cam=CamLayer(f"blocks.{depth - 1}.norm1", _tokens_to_map),
            freeze_groups=(("patch_embed",), *((f"blocks.{i}",) for i in range(depth))),
            fixed_size=True,
            defaults={
                Task.CLASSIFICATION: defaults["multiclass"],
                Task.MULTILABEL: defaults["multilabel"],
            },
        )
    )


def _defaults(learning_rate: float, batch_size: int) -> dict[str, float]:
    return {
        "learning_rate": learning_rate,
        "training_batch_size": batch_size,
        "validation_batch_size": batch_size,
    }


_register(
    "vits16r224",
    "vit_small_patch16_224",
    12,
    multiclass=_defaults(0.0125, 128),
    multilabel=_defaults(0.025, 128),
)
_register(
    "vitb16r224",
    "vit_base_patch16_224",
    12,
    multiclass=_defaults(0.0125, 48),
    multilabel=_defaults(0.025, 48),
)
_register(
    "vitl16r224",
    "vit_large_patch16_224",
    24,
    multiclass=_defaults(0.001, 10),
    multilabel=_defaults(0.002, 10),
)
