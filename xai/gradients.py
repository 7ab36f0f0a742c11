"""Gradients of chosen outputs with respect to chosen tensors, and nothing else."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


def target_gradients(
    logits: Tensor, leaves: Sequence[Tensor], targets: Sequence[int]
) -> Iterator[tuple[Tensor | None, ...]]:
    """Differentiate outputs one after the other, by all leaves, through one graph.

    logits is (N, outputs), and leaves are tensors (N, …) that they were computed from, row by row.
    Per target comes a gradient for each leaf, None where the logits do not depend on it.
    Parameters' `.grad` stay as they are.
    """
    for turn, target in enumerate(targets):
        with torch.enable_grad():
            output = logits[:, target].sum()
        yield torch.autograd.grad(
            output,
            leaves,
            retain_graph=turn < len(targets) - 1,
            allow_unused=True,
        )
