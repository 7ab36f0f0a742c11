"""A network's first convolution in another's hands, without hooks and without touching it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True, slots=True)
class Convolution:
    """A call of conv2d but for its input. As a function of that it is affine."""

    rest: tuple[Any, ...]
    options: Mapping[str, Any]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, h, w)."""
        return torch.conv2d(x, *self.rest, **self.options)

    def pull_back(self, gradients: Tensor, *, shape_chw: torch.Size) -> Tensor:
        """Gradients by the output (N, K, h, w) to those by the input, (N, C, H, W)."""
        x = gradients.new_zeros(len(gradients), *shape_chw, requires_grad=True)
        with torch.enable_grad():
            y = torch.conv2d(x, *self.rest, **self.options)
        return torch.autograd.grad(y, x, gradients)[0]


class FirstConvolution(TorchFunctionMode):
    """Within this context, `answer` stands for the first conv2d whose input is `points` itself.

    What else the network does with `points` goes through. The mode is torch's own per-thread
    interception of calls, so that nothing is left on a network that several threads share.
    """

    def __init__(self, points: Tensor, answer: Callable[[Convolution], Tensor]) -> None:
        super().__init__()
        self._points = points
        self._answer = answer
        self._is_answered = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer the one call."""
        options = kwargs or {}
        if func is torch.conv2d and not self._is_answered and args and args[0] is self._points:
            self._is_answered = True
            return self._answer(Convolution(args[1:], options))
        return func(*args, **options)
