"""A training step through Lightning and our module against a bare PyTorch loop."""

import logging
import time
import warnings
from functools import partial
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.models import random_batch, random_detector
from benchmarks.timing import report
from inference.candidates import BoxTargets
from training.lit import Detector
from training.optimization import build_optimizer, build_schedule

_STEPS = 4  # timed, after one that is not


def compare_training_steps(
    name: str, *, images: int, size_hw: tuple[int, int], rounds: int
) -> None:
    """Time both in turns on the same network, batch, losses and optimizer."""
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    family, network = random_detector(name)
    batch = random_batch(family, images=images, size_hw=size_hw)
    network.train().to(memory_format=torch.channels_last)
    seconds: dict[str, list[float]] = {"bare loop": [], "ours": []}
    for _ in range(rounds):
        seconds["bare loop"].append(_bare_loop(network, family.losses, batch))
        seconds["ours"].append(_ours(network, family.losses, batch))
    report(f"{name}, {_STEPS} steps of {images} × {size_hw}", seconds, baseline="bare loop")


def _optimize(trainable: list[nn.Parameter]) -> Any:
    optimizer = build_optimizer(trainable, name="sgd", learning_rate=1e-4, weight_decay=1e-4)
    schedule = build_schedule(
        optimizer,
        name="step",
        steps_per_epoch=100,
        epochs=1,
        warmup_epochs=0,
        cycles=0.5,
        step_size=5,
        gamma=0.5,
    )
    return optimizer, schedule


def _bare_loop(network: nn.Module, losses: Any, batch: tuple[Tensor, list[BoxTargets]]) -> float:
    optimizer, _ = _optimize(list(network.parameters()))
    canvases, targets = batch
    canvases = canvases.contiguous(memory_format=torch.channels_last)
    begin = 0.0
    for step in range(_STEPS + 1):
        if step == 1:
            begin = time.perf_counter()
        optimizer.zero_grad()
        torch.stack(list(losses(network, canvases, targets).values())).sum().backward()
        optimizer.step()
    return time.perf_counter() - begin


class _Clock(Callback):
    """Seconds from the end of the first step to the end of the last."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.ends.append(time.perf_counter())


def _ours(network: nn.Module, losses: Any, batch: tuple[Tensor, list[BoxTargets]]) -> float:
    module = Detector(
        network,
        losses=losses,
        optimize=_optimize,
        find=lambda *_: [],
        evaluate=lambda *_: {},
        validation_batch=None,
        seed=0,
    )
    clock = _Clock()
    trainer = lightning.Trainer(
        max_epochs=1,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    batches: Any = [batch] * (_STEPS + 1)
    trainer.fit(module, DataLoader(batches, batch_size=None, collate_fn=partial(_same)))
    return clock.ends[-1] - clock.ends[0]


def _same(batch: Any) -> Any:
    return batch
