"""Where class activation maps are read in a network."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


def _as_map(_: nn.Module, activation: Tensor) -> Tensor:
    return activation


@dataclass(frozen=True, slots=True)
class CamLayer:
    """Where class activation maps are read: a module's name, and how its output becomes a map.

    `to_map(network, output)` returns (B, channels, h, w); convolutions already have that shape.
    """

    name: str
    to_map: Callable[[nn.Module, Tensor], Tensor] = _as_map
