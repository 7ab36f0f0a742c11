"""What an explanation method is, and the registry that holds them all."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.errors import BadRequest
from inference.families import CamLayer
from inference.names import unknown_name
from inference.schema import XaiParameters
from xai.paths import Checkpoint


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is to be explained: outputs `targets` (indices of logits) of a network for an image.

    image is (3, H, W), normalised, on the network's device; at least one target.
    """

    network: nn.Module
    cam: CamLayer
    image: Tensor
    targets: tuple[int, ...]


Run = Callable[[Subject, XaiParameters, Checkpoint], Tensor]
ToScores = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def magnitude(attribution: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, H, W) to (H, W): how much a pixel matters, for or against: Σ |·| over the channels."""
    scores: NDArray[np.float32] = np.abs(attribution).sum(axis=0)
    return scores


@dataclass(frozen=True, slots=True)
class Method:
    """One explanation method by the name that requests use.

    run: returns attributions (targets, 3, H, W), float32, on any device.
    to_scores: how important each pixel is, for the picture: (3, H, W) to (H, W).
    clip_percentile: scores from this percentile on share the picture's brightest colour, so that
        single pixels do not darken the rest; 100 clips nothing.
    """

    name: str
    run: Run
    to_scores: ToScores = magnitude
    clip_percentile: float = 99.0


DEFAULT = "xrai"
METHODS: dict[str, Method] = {}


def register(method: Method) -> None:
    """Add a method to the registry. Raises ValueError if its name is taken."""
    if method.name in METHODS:
        raise ValueError(f"explanation method {method.name!r} is registered twice")
    METHODS[method.name] = method


def method_of(parameters: XaiParameters) -> Method:
    """Look up the method that was asked for. Raises BadRequest if it is for detectors alone."""
    return method_named(parameters.xai_algorithm or DEFAULT)


def method_named(name: str) -> Method:
    """Look a method up. Raises BadRequest with the nearest name if there is none."""
    if name not in METHODS:
        raise BadRequest(unknown_name("explanation method", name, METHODS))
    return METHODS[name]
