"""What a model family is, and the registry that holds them all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.candidates import BoxTargets, Candidates
from inference.errors import UsageError
from inference.evidence import Evidence
from inference.names import unknown_name
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
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


class BuildDetector(Protocol):
    """Makes a detector for `num_classes` classes; there is no background among them.

    `options` are those of the family's `option_names` that a job gives, or what `describe` once
    returned. `pretrained` fetches public weights; what depends on the classes is always new.
    """

    def __call__(
        self, *, num_classes: int, options: Mapping[str, Any], pretrained: bool
    ) -> nn.Module:
        """Return the network in training mode."""
        ...


Losses = Callable[[nn.Module, Tensor, Sequence[BoxTargets]], dict[str, Tensor]]
MaskHead = Callable[[nn.Module, Sequence[Tensor], Tensor, Tensor], Tensor]
ReadEvidence = Callable[[nn.Module, Tensor], Evidence]


def _no_options(_: nn.Module) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class DetectorFamily:
    """One detector by the name that job files use.

    The network maps normalised canvases (N, 3, H, W) to the tensors that `outputs` names, also in
    an ONNX graph with any N. `decode` turns them into candidates. `losses` gives named scalars, to
    be summed, for canvases and one BoxTargets each; the network is in training mode. `mask_head`
    maps (network, features, rois (R, 5) of image id and canvas box, label_ids (R,)) to
    probabilities (R, M, M) on a grid over each box. `read_evidence` is the same network for one
    canvas (1, 3, H, W), for explanations: the backbone builds no graph, the heads build theirs.

    heads: prefixes of the parameters that depend on the number of classes.
    canvas: how an image is laid out: "short_side" by min_size and max_size, or "letterbox" by
    image_size. augmentation: what training does to images: "crop_expand" or "mosaic".
    option_names: hyperparameters that `build` takes as options. describe: the options that rebuild
    a network offline, for model.json. fit_to_data: adapts a new network to the sizes (n, 2) of all
    training boxes, width and height in canvas pixels; returns what it did, for the log, or "".
    averaged: training keeps a moving average of the weights, and that is the model.
    clip_norm: the largest norm of all gradients together, if training needs one.
    """

    name: str
    build: BuildDetector
    outputs: tuple[str, ...]
    decode: Callable[[Sequence[Tensor]], Candidates]
    losses: Losses
    read_evidence: ReadEvidence
    heads: tuple[str, ...]
    freeze_groups: tuple[tuple[str, ...], ...]
    canvas: Literal["short_side", "letterbox"]
    augmentation: Literal["crop_expand", "mosaic"] = "crop_expand"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    mask_head: MaskHead | None = None
    tasks: frozenset[Task] = frozenset({Task.DETECTION})
    option_names: tuple[str, ...] = ()
    describe: Callable[[nn.Module], dict[str, Any]] = _no_options
    fit_to_data: Callable[[nn.Module, NDArray[np.float32]], str] | None = None
    averaged: bool = False
    clip_norm: float | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


FAMILIES: dict[str, Family | DetectorFamily] = {}


def register(family: Family | DetectorFamily) -> None:
    """Add a family to the registry. Raises ValueError if its name is taken."""
    if family.name in FAMILIES:
        raise ValueError(f"model family {family.name!r} is registered twice")
    FAMILIES[family.name] = family


def classifier_named(name: str) -> Family:
    """Look a family of classifiers up. Raises UsageError with the nearest name if there is none."""
    classifiers = {n: f for n, f in FAMILIES.items() if isinstance(f, Family)}
    if name not in classifiers:
        raise UsageError(unknown_name("model family", name, classifiers))
    return classifiers[name]


def detector_named(name: str) -> DetectorFamily:
    """Look a family of detectors up. Raises UsageError with the nearest name if there is none."""
    detectors = {n: f for n, f in FAMILIES.items() if isinstance(f, DetectorFamily)}
    if name not in detectors:
        raise UsageError(unknown_name("model family", name, detectors))
    return detectors[name]
