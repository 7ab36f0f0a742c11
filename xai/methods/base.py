"""What an explanation method is, and the registry that holds them all."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.errors import BadRequest
from inference.families import CamLayer
from inference.model_folder import IMAGENET, Preprocessing
from inference.names import unknown_name
from inference.schema import Baseline, XaiParameters
from xai.baselines import baselines_of
from xai.integrals import Convergence, Integral, integral
from xai.paths import Checkpoint
from xai.quadrature import rule_of
from xai.segments import Segments, find_segments


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is to be explained: outputs `targets` (indices of logits) of a network for an image.

    image is (3, H, W), normalised, on the network's device; at least one target. find_segments
    takes the image as (H, W, 3). cam is None where no map can be read; preprocessing is what
    normalised the image.
    """

    network: nn.Module
    cam: CamLayer | None
    image: Tensor
    targets: tuple[int, ...]
    find_segments: Callable[[NDArray[np.float32]], Segments] = find_segments
    preprocessing: Preprocessing = IMAGENET


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """What a method found: values (targets, 3, H, W) float32, on any device.

    convergence: per target how well its integral was computed; empty if that was not asked for.
    """

    values: Tensor
    convergence: tuple[Convergence, ...] = ()


@dataclass(frozen=True, slots=True)
class PathDefaults:
    """Nodes per path and where the paths begin, where a request does not say."""

    n_steps: int
    baselines: tuple[Baseline, ...]


Run = Callable[[Subject, XaiParameters, Checkpoint], Attributions]
ToScores = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def magnitude(attribution: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, H, W) to (H, W): how much a pixel matters, for or against: Σ |·| over the channels."""
    scores: NDArray[np.float32] = np.abs(attribution).sum(axis=0)
    return scores


def first_channel(attribution: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, H, W) to (H, W), for methods that say the same in all channels."""
    return attribution[0]


@dataclass(frozen=True, slots=True)
class Method:
    """One explanation method by the name that requests use.

    to_scores: how important each pixel is, for the picture: (3, H, W) to (H, W).
    clip_percentile: scores from this percentile on share the picture's brightest colour, so that
        single pixels do not darken the rest; 100 clips nothing.
    path: the defaults of a method that integrates along paths.
    """

    name: str
    run: Run
    to_scores: ToScores = magnitude
    clip_percentile: float = 99.0
    path: PathDefaults | None = None


DEFAULT = "xrai"
METHODS: dict[str, Method] = {}


def register(method: Method) -> None:
    """Add a method to the registry. Raises ValueError if its name is taken."""
    if method.name in METHODS:
        raise ValueError(f"explanation method {method.name!r} is registered twice")
    METHODS[method.name] = method


def method_of(parameters: XaiParameters) -> Method:
    """Look up the method that was asked for.

    Raises BadRequest if it is for detectors alone, or follows no path and was asked about one.
    """
    method = method_named(parameters.xai_algorithm or DEFAULT)
    if method.path is None:
        _refuse_path_options(parameters, method.name)
    return method


def _refuse_path_options(parameters: XaiParameters, name: str) -> None:
    asked = {
        "baselines": parameters.baselines is not None,
        'n_steps "auto"': parameters.n_steps == "auto",
        "return_delta": parameters.return_delta,
    }
    able = ", ".join(sorted(method.name for method in METHODS.values() if method.path))
    for option, is_asked in asked.items():
        if is_asked:
            raise BadRequest(f"{option} is for methods with a path ({able}), not for {name}")


def method_named(name: str) -> Method:
    """Look a method up. Raises BadRequest with the nearest name if there is none."""
    if name not in METHODS:
        raise BadRequest(unknown_name("explanation method", name, METHODS))
    return METHODS[name]


def layer_of(subject: Subject) -> CamLayer:
    """Return where maps are read. Raises BadRequest for a network that has none."""
    if subject.cam is None:
        raise BadRequest("this network has no layer whose output is a map of the image")
    return subject.cam


def path_integral(
    subject: Subject, parameters: XaiParameters, defaults: PathDefaults, checkpoint: Checkpoint
) -> Integral:
    """Integrate from the baselines and with the nodes that were asked for, else the defaults."""
    n_steps = parameters.n_steps or defaults.n_steps
    return integral(
        subject.network,
        subject.image,
        baselines_of(
            parameters.baselines or defaults.baselines, subject.image, subject.preprocessing
        ),
        subject.targets,
        rule=rule_of(n_steps, parameters.approximation_method, tolerance=parameters.tolerance),
        with_convergence=parameters.return_delta,
        checkpoint=checkpoint,
    )
