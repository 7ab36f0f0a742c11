"""What a model family is, and the registry that holds them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from inference.errors import UsageError
from inference.names import unknown_name
from inference.types import CLASSIFICATION_TASKS, Task


class Build(Protocol):
    """Makes a family's network with `num_classes` outputs for square inputs of `image_size`.

    `pretrained` fetches the public ImageNet weights; the classifier head is always new.
    """

    def __call__(self, *, num_classes: int, image_size: int, pretrained: bool) -> nn.Module:
        """Return the network in training mode."""
        ...


def _as_map(_: nn.Module, activation: Tensor) -> Tensor:
    return activation


@dataclass(frozen=True, slots=True)
class CamLayer:
    """Where class activation maps are read: a module's name, and how its output becomes a map.

    `to_map(network, output)` returns (B, channels, h, w); convolutions already have that shape.
    """

    name: str
    to_map: Callable[[nn.Module, Tensor], Tensor] = _as_map


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture by the name that job files use.

    freeze_groups: module names per group, shallow to deep; `layers_to_freeze: n` takes the first n.
    head: name of the module that depends on the number of classes.
    fixed_size: inputs must have the size that the network was built for.
    defaults: hyperparameters that differ from the task's own, per task.
    """

    name: str
    build: Build
    head: str
    cam: CamLayer
    freeze_groups: tuple[tuple[str, ...], ...]
    fixed_size: bool = False
    tasks: frozenset[Task] = CLASSIFICATION_TASKS
    defaults: Mapping[Task, Mapping[str, float]] = field(default_factory=dict)


FAMILIES: dict[str, Family] = {}


def register(family: Family) -> None:
    """Add a family to the registry. Raises ValueError if its name is taken."""
    if family.name in FAMILIES:
        raise ValueError(f"model family {family.name!r} is registered twice")
    FAMILIES[family.name] = family


def family_named(name: str) -> Family:
    """Look a family up. Raises UsageError with the nearest name if there is none."""
    if name not in FAMILIES:
        raise UsageError(unknown_name("model family", name, FAMILIES))
    return FAMILIES[name]
