"""Optimizers, learning-rate schedules and freezing, from flat arguments."""

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from inference.families import DetectorFamily, Family


def build_optimizer(
    parameters: Iterable[nn.Parameter],
    *,
    name: str,
    learning_rate: float,
    weight_decay: float,
    momentum: float = 0.9,
    nesterov: bool = True,
    beta1: float = 0.9,
    beta2: float = 0.999,
    ams_gradient: bool = False,
) -> Optimizer:
    """Return "sgd", "adam" or "adamw" over the parameters; each reads only its own arguments."""
    if name == "sgd":
        return SGD(
            parameters,
            lr=learning_rate,
            momentum=momentum,
            nesterov=nesterov and momentum > 0,
            weight_decay=weight_decay,
        )
    adam = {"adam": Adam, "adamw": AdamW}[name]
    return adam(
        parameters,
        lr=learning_rate,
        betas=(beta1, beta2),
        weight_decay=weight_decay,
        amsgrad=ams_gradient,
    )


def warmup_cosine_factor(step: int, *, warmup_steps: int, total_steps: int, cycles: float) -> float:
    """Learning-rate factor of `step` (0-based): a linear rise, then `cycles` of a cosine.

    cycles 0.5 falls to zero exactly at the end; Azure's default of 0.45 stops a little above.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return max(0.0, 0.5 * (1.0 + math.cos(2.0 * math.pi * cycles * progress)))


def build_schedule(
    optimizer: Optimizer,
    *,
    name: str,
    steps_per_epoch: int,
    epochs: int,
    warmup_epochs: int,
    cycles: float,
    step_size: int,
    gamma: float,
) -> LambdaLR:
    """Return "warmup_cosine" or "step" as a schedule that is advanced once per optimizer step.

    Warm-up takes at most half of the run: a short trial would else never reach its learning rate.
    """
    if name == "step":
        return LambdaLR(optimizer, lambda step: gamma ** (step // steps_per_epoch // step_size))
    total_steps = epochs * steps_per_epoch
    warmup_steps = min(warmup_epochs * steps_per_epoch, total_steps // 2)
    return LambdaLR(
        optimizer,
        lambda step: warmup_cosine_factor(
            step, warmup_steps=warmup_steps, total_steps=total_steps, cycles=cycles
        ),
    )


def freeze_layers(
    network: nn.Module, family: Family | DetectorFamily, *, layers_to_freeze: int
) -> None:
    """Freeze the first groups of a family's network; the classifier head is never among them."""
    for group in family.freeze_groups[:layers_to_freeze]:
        for name in group:
            network.get_submodule(name).requires_grad_(False)
