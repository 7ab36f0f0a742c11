"""What a model family is, and the registries that hold them all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.cam import CamLayer as CamLayer  # families import it from here
from inference.candidates import BoxTargets, Candidates
from inference.errors import UsageError
from inference.evidence import Evidence
from inference.model_folder import IMAGENET, Preprocessing
from inference.names import unknown_name
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from inference.types import CLASSIFICATION_TASKS, Task


class Build(Protocol):
    """Makes a family's network with `num_classes` outputs for square inputs of `image_size`.

    `pretrained` fetches the public weights; the classifier head is always new.
    """

    def __call__(self, *, num_classes: int, image_size: int, pretrained: bool) -> nn.Module:
        """Return the network in training mode."""
        ...


def _no_description(_: nn.Module, __: int) -> dict[str, Any]:
    return {}


def _no_source() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture by the name that job files use.

    freeze_groups: module names per group, shallow to deep; `layers_to_freeze: n` takes the first n.
    head: name of the module that depends on the number of classes; more_heads: of others.
    cam: None where no map can be read. has_guided_rule: guided backpropagation knows all of its
    activations. fixed_size: inputs must have the size that the network was built for, a multiple of
    size_multiple; only_size: the one size there is. preprocessing: of its public weights.
    defaults: hyperparameters that differ from the task's own, per task.

    library: the library whose `rebuild` makes this family anew from what `describe(network,
    image_size)` says, for model.json; None for a family of the registry. source: name, revision
    and licence of a public checkpoint.
    """

    name: str
    build: Build
    head: str
    cam: CamLayer | None
    freeze_groups: tuple[tuple[str, ...], ...]
    fixed_size: bool = False
    tasks: frozenset[Task] = CLASSIFICATION_TASKS
    defaults: Mapping[Task, Mapping[str, Any]] = field(default_factory=dict)
    more_heads: tuple[str, ...] = ()
    has_guided_rule: bool = True
    size_multiple: int = 1
    only_size: int | None = None
    preprocessing: Preprocessing = IMAGENET
    library: str | None = None
    describe: Callable[[nn.Module, int], dict[str, Any]] = _no_description
    source: Callable[[], Mapping[str, Any] | None] = _no_source

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of all modules that depend on the number of classes."""
        return (self.head, *self.more_heads)


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


@dataclass(frozen=True, slots=True)
class ClassRows:
    """How the first dimension of a tensor of a head is divided among the classes.

    Once or, for anchors, several times over: `before` places that belong to no class (background,
    box, objectness), one place per class in the order of the labels, `after` such places; a place
    is `each` rows.
    """

    before: int = 0
    after: int = 0
    each: int = 1


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

    heads: prefixes of the parameters that depend on the number of classes. class_rows: by prefix,
    where they do not have one row per class; learning on with other classes keeps rows by label.
    canvas: how an image is laid out: "short_side" by min_size and max_size, or "letterbox" by
    image_size. augmentation: what training does to images: "crop_expand" or "mosaic".
    option_names: hyperparameters that `build` takes as options. describe: the options that rebuild
    a network offline, for model.json. fit_to_data: adapts a new network to the sizes (n, 2) of all
    training boxes, width and height in canvas pixels; returns what it did, for the log, or "".
    averaged: training keeps a moving average of the weights, and that is the model.
    clip_norm: the largest norm of all gradients together, if training needs one.
    has_graph: an ONNX graph computes it for any size; else the torch engines alone serve it.
    source: name, revision and licence of a public checkpoint.
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
    class_rows: Mapping[str, ClassRows] = field(default_factory=dict)
    averaged: bool = False
    clip_norm: float | None = None
    has_graph: bool = True
    source: Callable[[], Mapping[str, Any] | None] = _no_source
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Library:
    """Families without a list: made from a model's name when a job asks for it.

    accepts: whether a name can be one of the library's for a task; asks nobody. find: the family by
    that name; raises UsageError. rebuild: the family of a model folder, from its options, offline.
    """

    name: str
    accepts: Callable[[str, Task], bool]
    find: Callable[[str, Task], Family | DetectorFamily]
    rebuild: Callable[[Mapping[str, Any]], Family] | None = None


FAMILIES: dict[str, Family | DetectorFamily] = {}
LIBRARIES: dict[str, Library] = {}


def register(family: Family | DetectorFamily) -> None:
    """Add a family to the registry. Raises ValueError if its name is taken."""
    if family.name in FAMILIES:
        raise ValueError(f"model family {family.name!r} is registered twice")
    FAMILIES[family.name] = family


def register_library(library: Library) -> None:
    """Add a library. Raises ValueError if its name is taken."""
    if library.name in LIBRARIES or library.name in FAMILIES:
        raise ValueError(f"library {library.name!r} is registered twice")
    LIBRARIES[library.name] = library


def family_for(name: str, task: Task) -> Family | DetectorFamily:
    """Find the family of a `model_name`: of the registry, or of the first library that accepts it.

    Raises UsageError with the nearest name, and what else may be named, if there is none.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    for library in LIBRARIES.values():
        if library.accepts(name, task):
            return library.find(name, task)
    allowed = [family.name for family in FAMILIES.values() if task in family.tasks]
    raise UsageError(
        f"{unknown_name('model family', name, allowed)}; a model of the Hugging Face hub "
        "(owner/name), a local folder and timm's names are understood too"
    )


def classifier_named(name: str, options: Mapping[str, Any] | None = None) -> Family:
    """Look up the classifiers that model.json names.

    `options` are those of model.json, from which a library rebuilds its family.
    Raises UsageError with the nearest name if there is none.
    """
    library = LIBRARIES.get(name)
    if library is not None and library.rebuild is not None:
        return library.rebuild(options or {})
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
