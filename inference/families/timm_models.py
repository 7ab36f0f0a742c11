"""Any model that timm knows, as `timm/NAME` or NAME: an open list of networks and weights.

model.json keeps the architecture, so a server asks no hub.
"""

import math
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg, group_modules
from torch import nn

from inference.errors import UsageError
from inference.families.base import Family, Library, register_library
from inference.hub.activations import has_guided_rule, spell_activations
from inference.hub.cam import cam_layer, find_cam
from inference.hub.checks import check_forward
from inference.hub.timm_networks import create, provenance_of
from inference.model_folder import Preprocessing
from inference.names import unknown_name
from inference.types import CLASSIFICATION_TASKS, Task

_LIBRARY = "timm"
_PREFIX = "timm/"
_LEARNING_RATE = 1e-4
_BATCH_SIZE = 32


def _accepts(name: str, task: Task) -> bool:
    is_named = name.startswith(_PREFIX) or ("/" not in name and timm.is_model(name))
    return task in CLASSIFICATION_TASKS and is_named


@lru_cache(maxsize=32)  # a sweep asks for a family hundreds of times
def _find(name: str, _: Task) -> Family:
    architecture = name.removeprefix(_PREFIX)
    if not timm.is_model(architecture):
        raise UsageError(unknown_name("timm model", architecture, _near(architecture)))
    try:
        facts = get_pretrained_cfg(architecture)
    except RuntimeError as error:  # of another tag
        raise UsageError(f"{name}: {error}") from None
    values = {} if facts is None else facts.to_dict()
    size = values.get("input_size", (3, 224, 224))[-1]
    is_fixed = bool(values.get("fixed_input_size", False))
    prepared = _preprocessing(values)
    heads, groups = _anatomy(architecture)
    defaults = {
        "learning_rate": _LEARNING_RATE,
        "optimizer": "adamw",
        "training_batch_size": _BATCH_SIZE,
        "validation_batch_size": _BATCH_SIZE,
        "training_crop_size": size,
        "validation_crop_size": size,
        "validation_resize_size": math.floor(size / values.get("crop_pct", 0.875)),
    }
    return Family(
        name=name,
        build=partial(_build, architecture, is_fixed),
        head=heads[0],
        more_heads=heads[1:],
        cam=None,  # what `describe` finds, a folder's family knows
        freeze_groups=groups,
        fixed_size=is_fixed,
        preprocessing=prepared,
        defaults=dict.fromkeys(CLASSIFICATION_TASKS, defaults),
        library=_LIBRARY,
        describe=partial(_describe, architecture, heads, is_fixed),
        source=partial(provenance_of, architecture),
    )


def _near(architecture: str) -> list[str]:
    """Names that begin alike; all 1 300 would be no help."""
    return timm.list_models(f"{architecture.split('_')[0][:5]}*") or ["see timm.list_models()"]


def _preprocessing(values: Mapping[str, Any]) -> Preprocessing:
    given = {name: values[name] for name in ("mean", "std") if name in values}
    interpolation = values.get("interpolation", "bicubic")
    return Preprocessing(
        **given,
        resize="whole" if values.get("crop_mode") == "squash" else "short_side",
        interpolation="bilinear" if interpolation == "random" else interpolation,
    )


def _anatomy(architecture: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Names of the heads, and groups of modules from shallow to deep as timm has them."""
    with torch.device("meta"):
        two, three = (timm.create_model(architecture, num_classes=classes) for classes in (2, 3))
    shapes = {name: tensor.shape for name, tensor in three.state_dict().items()}
    heads = tuple(
        dict.fromkeys(
            name.rpartition(".")[0]
            for name, tensor in two.state_dict().items()
            if tensor.shape != shapes.get(name)
        )
    )
    if not heads:
        raise UsageError(f"timm's {architecture} has no head that depends on the classes")
    matcher: Any = getattr(two, "group_matcher", None)
    if matcher is None:
        return heads, ()
    groups = group_modules(two, matcher(coarse=True))
    bodies = (tuple(name for name in group if name not in heads) for group in groups.values())
    return heads, tuple(group for group in bodies if group)[: len(groups) - 1]


def _build(
    architecture: str, is_fixed: bool, *, num_classes: int, image_size: int, pretrained: bool
) -> nn.Module:
    sized = {"img_size": image_size} if is_fixed else {}
    try:
        network = create(architecture, pretrained=pretrained, num_classes=num_classes, **sized)
    except (AssertionError, TypeError, ValueError) as error:  # of sizes it cannot have
        raise UsageError(
            f"timm's {architecture} cannot be built for images of {image_size} pixels: {error}"
        ) from None
    check_forward(
        spell_activations(network), name=architecture, classes=num_classes, image_size=image_size
    )
    return network.train()


def _describe(
    architecture: str, heads: tuple[str, ...], is_fixed: bool, network: nn.Module, image_size: int
) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "fixed_size": is_fixed,
        "heads": list(heads),
        "cam": find_cam(network, image_size=image_size),
        "guided_rule": has_guided_rule(network),
    }


def _rebuild(options: Mapping[str, Any]) -> Family:
    architecture, is_fixed = options["architecture"], options["fixed_size"]
    heads = tuple(options["heads"])
    return Family(
        name=_LIBRARY,
        build=partial(_build, architecture, is_fixed),
        head=heads[0],
        more_heads=heads[1:],
        cam=cam_layer(options["cam"]),
        has_guided_rule=options["guided_rule"],
        freeze_groups=(),
        fixed_size=is_fixed,
        library=_LIBRARY,
        describe=partial(_describe, architecture, heads, is_fixed),
    )


register_library(Library(_LIBRARY, accepts=_accepts, find=_find, rebuild=_rebuild))
