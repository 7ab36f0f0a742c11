"""Classification losses, weighted by class where the job asks for it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from inference.types import Task

Loss = Callable[[Tensor, Tensor], Tensor]


def class_weights(counts: Tensor, *, total: int, task: Task, weighted_loss: int) -> Tensor | None:
    """Weight per class from the number of training images that have it, counts (C,).

    Multi-class: total / (C · count), the "balanced" rule. Multi-label: negatives / positives, the
    weight of the positive term. weighted_loss 0 gives none, 1 their square roots, 2 the weights.
    """
    if weighted_loss == 0:
        return None
    counts = counts.double().clamp(min=1)
    if task is Task.MULTILABEL:
        weights = (total - counts).clamp(min=1) / counts
    else:
        weights = total / (len(counts) * counts)
    return (weights.sqrt() if weighted_loss == 1 else weights).float()


def build_loss(task: Task, weights: Tensor | None) -> Loss:
    """Return the loss of a task: logits (N, C), targets (N, C) of 0 and 1 → a scalar."""
    if task is Task.MULTILABEL:
        return lambda logits, targets: binary_cross_entropy_with_logits(
            logits, targets, pos_weight=_on(weights, logits)
        )
    return lambda logits, targets: cross_entropy(
        logits, targets.argmax(dim=1), weight=_on(weights, logits)
    )


def _on(weights: Tensor | None, logits: Tensor) -> Tensor | None:
    return None if weights is None else weights.to(logits.device, torch.float32)
