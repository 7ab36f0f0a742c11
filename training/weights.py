"""Where a network's first weights come from: the public ones, a file, or nothing at all."""

import logging
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from inference.errors import UsageError
from inference.families.base import LIBRARIES, ClassRows
from inference.files import read_json
from inference.model_folder import FACTS_FILE, WEIGHTS_FILE
from training.class_rows import carried_over

LOG = logging.getLogger(__name__)
StateDict = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Heads:
    """What of a network depends on its classes.

    prefixes: of the tensors' names; rows: how those with longer prefixes are divided among the
    classes, where not one row per class; labels: the classes in order.
    """

    prefixes: tuple[str, ...]
    labels: tuple[str, ...]
    rows: Mapping[str, ClassRows] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        """Whether a tensor depends on the classes."""
        return name.startswith(tuple(f"{prefix}." for prefix in self.prefixes))

    def rows_of(self, name: str) -> ClassRows:
        """How a tensor is divided among the classes."""
        return next(
            (rows for prefix, rows in self.rows.items() if name.startswith(f"{prefix}.")),
            ClassRows(),
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from: the model that they belong to, and its labels in order.

    model_name is None where model.json names a library and not its model.
    """

    model_name: str | None
    labels: tuple[str, ...]


def initial_network(
    name: str,
    build: Callable[[bool], nn.Module],
    *,
    heads: Heads,
    pretrained: bool,
    weights: Path | None,
) -> nn.Module:
    """Build a network to start training from, with `build(pretrained)`.

    `weights` (a .safetensors or .pt file, a checkpoint of a run, or a model folder) wins over
    `pretrained`. Raises UsageError when the public weights cannot be fetched: a run never starts
    from random weights that nobody asked for.
    """
    if weights is not None:
        network = build(False)
        load_weights(network, weights, heads=heads)
        return network
    try:
        return build(pretrained)
    except (OSError, RuntimeError) as error:  # what urllib, the hub client and torch.load raise
        if not pretrained:
            raise
        raise UsageError(
            f"the pretrained weights of {name} cannot be fetched ({_first_line(error)}). "
            "Set `pretrained: false` to train from scratch, or `weights: PATH` to use a file"
        ) from None


def load_weights(network: nn.Module, path: Path, *, heads: Heads | None = None) -> None:
    """Load a state dict into `network`, all of it or, where classes may differ, what fits.

    Of a model folder's or a run's weights the heads' rows go to the classes of the same label. Of
    another file's, whose labels nobody knows, a head of another number of classes stays new. Raises
    UsageError when the file is no state dict or belongs to another architecture.
    """
    state = _read_state_dict(path)
    own = network.state_dict()
    origin = origin_of(path)
    if heads is not None and origin is not None:
        state = _with_rows_by_label(state, own, heads, origin)
        known = len(set(heads.labels) & set(origin.labels))
        LOG.info("starting from %s; it knows %d of %d classes", path, known, len(heads.labels))
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and own[name].shape == tensor.shape
    }
    missing = [
        name
        for name in own
        if name not in fitting and not (heads is not None and heads.holds(name))
    ]
    if missing:
        raise UsageError(
            f"weights {path} do not fit this model: {len(missing)} of its {len(own)} tensors are "
            f"missing or have another shape, first {missing[0]!r}. Is it the same model_name, of "
            "the same size?"
        )
    network.load_state_dict(fitting, strict=False)


def origin_of(weights: Path) -> Origin | None:
    """What is known about a model folder or a checkpoint of a run; None for another file."""
    if (weights / FACTS_FILE).is_file():
        facts = read_json(weights / FACTS_FILE)
        family = None if facts["family"] in LIBRARIES else facts["family"]
        return Origin(family, tuple(facts["labels"]))
    stated = weights.parent.parent / "params.json"  # of the trial
    if weights.suffix == ".ckpt" and stated.is_file():
        trial = read_json(stated)
        return Origin(trial["parameters"]["model_name"], tuple(trial["labels"]))
    return None


def _with_rows_by_label(
    state: StateDict, own: StateDict, heads: Heads, origin: Origin
) -> StateDict:
    """Replace the heads' tensors by the network's own with what both know; others are left out."""
    result = {name: tensor for name, tensor in state.items() if not heads.holds(name)}
    for name in filter(heads.holds, state.keys() & own.keys()):
        carried = carried_over(
            own[name],
            state[name],
            heads.rows_of(name),
            new_labels=heads.labels,
            old_labels=origin.labels,
        )
        if carried is not None:
            result[name] = carried
    return result


def _read_state_dict(path: Path) -> StateDict:
    path = path / WEIGHTS_FILE if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"weights {path} do not exist")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UsageError(f"weights {path} cannot be read: {_first_line(error)}") from None
    return _state_dict_inside(content, path)


def _state_dict_inside(content: object, path: Path) -> StateDict:
    """Unwrap {"state_dict": …}, and the prefix that our own checkpoints give their network."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise UsageError(f"weights {path} must hold a state dict of tensors")
    return {name.removeprefix("network."): tensor for name, tensor in content.items()}


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
