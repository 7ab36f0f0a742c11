"""Where class activation maps can be read in a network that nobody here has looked into.

The rule: the last layer, in the order of execution, whose output is a map and whose cells still
matter to the logits one by one. Behind the last block of a vision transformer only the class token
does; so its layer is the last normalisation before an attention, as pytorch-grad-cam advises.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from inference.cam import CamLayer

_SHARE = 0.5  # of the cells that must matter


def find_cam(network: nn.Module, *, image_size: int) -> dict[str, Any] | None:
    """Describe the layer for `cam_layer`, as plain data; None where there is none.

    The network, in evaluation mode, runs once, forward and backward.
    """
    outputs, calls = _outputs(network, image_size)
    logits = outputs.pop("")
    weights = torch.linspace(1.0, 2.0, logits.shape[-1], device=logits.device)
    gradients = torch.autograd.grad(
        (logits * weights).sum(), list(outputs.values()), allow_unused=True
    )
    found = list(zip(outputs.items(), gradients, strict=True))
    for (name, output), gradient in reversed(found):
        cam = _form(network.get_submodule(name), output, image_size)
        if cam is None or gradient is None or calls[name] > 1:
            continue
        cells = _to_map(network, gradient, **cam).abs().amax(dim=1)
        if (cells > 0).float().mean() >= _SHARE:
            return {"layer": name, **cam}
    return None


def _outputs(network: nn.Module, image_size: int) -> tuple[dict[str, Tensor], Counter[str]]:
    """Outputs by module, in the order they came, of calls that xai's tap can take the place of."""
    outputs: dict[str, Tensor] = {}
    calls: Counter[str] = Counter()

    def keep(name: str, _: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        calls[name] += 1
        if isinstance(output, Tensor) and output.requires_grad and len(args) == 1 and not kwargs:
            outputs[name] = output

    hooks = [
        module.register_forward_hook(partial(keep, name), with_kwargs=True)
        for name, module in network.named_modules()
    ]
    device = next(network.parameters()).device
    noise = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    try:
        with torch.enable_grad():
            network(noise.to(device).requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    return outputs, calls


def _form(module: nn.Module, output: Tensor, image_size: int) -> dict[str, Any] | None:
    """How an output becomes a map, if it can; maps of one cell show nothing."""
    if output.ndim == 4 and output.shape[0] == 1:
        _, first, second, third = output.shape
        if second == third and _is_side(second, image_size):
            return {"form": "channels_first"}
        if first == second and _is_side(first, image_size):
            return {"form": "channels_last"}
    if output.ndim == 3 and output.shape[0] == 1 and "Norm" in type(module).__name__:
        length = output.shape[1]
        for side in range(math.isqrt(length), 1, -1):
            if _is_side(side, image_size):
                return {"form": "tokens", "prefix": length - side * side}
    return None


def _is_side(cells: int, image_size: int) -> bool:
    return cells > 1 and image_size % cells == 0


def cam_layer(described: Mapping[str, Any] | None) -> CamLayer | None:
    """Turn what `find_cam` found into a layer."""
    if described is None:
        return None
    options = {name: value for name, value in described.items() if name != "layer"}
    return CamLayer(described["layer"], partial(_to_map, **options))


def _to_map(_: nn.Module, output: Tensor, *, form: str, prefix: int = 0) -> Tensor:
    return _FORMS[form](output, prefix)


def _tokens_to_map(tokens: Tensor, prefix: int) -> Tensor:
    """(B, prefix + h·h, C) to (B, C, h, h)."""
    patches = tokens[:, prefix:]
    side = math.isqrt(patches.shape[1])
    return patches.transpose(1, 2).unflatten(2, (side, side))


_FORMS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "channels_first": lambda output, _: output,
    "channels_last": lambda output, _: output.permute(0, 3, 1, 2),
    "tokens": _tokens_to_map,
}
