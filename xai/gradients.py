"""Gradients of chosen outputs with respect to the input, and nothing else."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


def target_gradients(
    network: Network, inputs: Tensor, targets: Sequence[tuple[int, ...]]
) -> Iterator[Tensor]:
    """Differentiate each input's own targets, one after the other, after one shared forward pass.

    inputs is (N, C, H, W); targets holds one tuple of output indices per input. The k-th tensor
    that comes, again (N, C, H, W), belongs to every input's k-th target; inputs that have fewer
    targets get zeros there. Parameters' `.grad` stay as they are.
    """
    leaf = _leaf(inputs)
    with torch.enable_grad():
        logits = network(leaf)
    turns = max(map(len, targets), default=0)
    for turn in range(turns):
        seeds = _seeds(logits, targets, turn)
        yield torch.autograd.grad(logits, leaf, seeds, retain_graph=turn < turns - 1)[0]


def _leaf(inputs: Tensor) -> Tensor:
    """Start a new graph, in the memory layout that convolutions are fastest with."""
    return inputs.detach().clone(memory_format=torch.channels_last).requires_grad_()


def _seeds(logits: Tensor, targets: Sequence[tuple[int, ...]], turn: int) -> Tensor:
    """1 where a row's target of this turn is, else 0: the outer derivative of the backward pass."""
    seeds = torch.zeros_like(logits)
    for row, indices in enumerate(targets):
        if turn < len(indices):
            seeds[row, indices[turn]] = 1.0
    return seeds
