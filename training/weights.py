"""Where a network's first weights come from: the public ones, a file, or nothing at all."""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from inference.errors import UsageError
from inference.model_folder import WEIGHTS_FILE

StateDict = dict[str, Tensor]


def initial_network(
    name: str,
    build: Callable[[bool], nn.Module],
    *,
    heads: Sequence[str],
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


def load_weights(network: nn.Module, path: Path, *, heads: Sequence[str]) -> None:
    """Load a state dict into `network`; modules `heads` of another number of classes stay new.

    Raises UsageError when the file is no state dict or belongs to another architecture.
    """
    state = _read_state_dict(path)
    own = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and own[name].shape == tensor.shape
    }
    may_be_new = tuple(f"{head}." for head in heads)
    missing = [name for name in own if name not in fitting and not name.startswith(may_be_new)]
    if missing:
        raise UsageError(
            f"weights {path} do not fit this model: {len(missing)} of its {len(own)} tensors are "
            f"missing or have another shape, first {missing[0]!r}. Is it the same model_name?"
        )
    network.load_state_dict(fitting, strict=False)


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
