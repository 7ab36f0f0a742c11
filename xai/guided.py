"""The guided rule for activation functions, without hooks and without touching the network."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

# Every spelling of an activation, and the one that leaves its input alone. Modules call these.
_ACTIVATIONS: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    F.relu: F.relu,
    torch.relu: F.relu,
    torch.relu_: F.relu,
    Tensor.relu: F.relu,
    Tensor.relu_: F.relu,
    F.relu6: F.relu6,
    F.hardtanh: F.hardtanh,  # nn.ReLU6 calls it with 0 and 6
    F.silu: F.silu,
    F.gelu: F.gelu,
    F.hardswish: F.hardswish,
}
_IN_PLACE = frozenset({torch.relu_, Tensor.relu_})


class GuidedActivations(TorchFunctionMode):
    """Within this context, activations of this thread pass back only positive evidence.

    Guided backpropagation (Springenberg et al., 2014, arXiv 1412.6806, section 3.4) defines for a
    ReLU: passed back = (f > 0) · (gradient > 0) · gradient. The rule here is the same with the
    activation's own slope: (x > 0) · max(gradient · f'(x), 0). A ReLU's slope is 1 where x > 0, so
    it is the paper's rule there (and captum's). ReLU6, SiLU, GELU and Hardswish are positive
    exactly where x is, and rise there, so that nothing changes its sign; a saturated ReLU6 passes
    nothing, as in any gradient. Sigmoid and tanh gates are no rectifiers and stay as they are.

    The mode is torch's own per-thread interception of calls, so a network that several threads
    share is neither changed nor hooked. While `enabled` is False, backward passes through a graph
    that was built within the context give the plain gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace calls of activation functions; all other calls go through."""
        options = dict(kwargs or {})
        if func not in _ACTIVATIONS or options.get("min_val", 0.0) != 0.0:
            return func(*args, **options)
        in_place = options.pop("inplace", False) or func in _IN_PLACE
        x, *rest = args if args else (options.pop("input"),)
        y = _ACTIVATIONS[func](_Gate.apply(x, self), *rest, **options)
        return x.copy_(y) if in_place else y


class _Gate(torch.autograd.Function):
    """Stands before an activation: the identity forward, the guided rule backward.

    The gradient that arrives has been multiplied by the activation's slope already.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mode: GuidedActivations) -> Tensor:
        """Copy x: what the activation keeps for its backward pass must survive in-place writes."""
        ctx.save_for_backward(x > 0)
        ctx.mode = mode
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Let positive gradients of positive inputs through."""
        (active,) = ctx.saved_tensors
        gradient = gradients[0]
        return gradient.clamp(min=0) * active if ctx.mode.enabled else gradient, None
