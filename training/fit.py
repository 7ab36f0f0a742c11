"""One trial's training: hyperparameters are turned into what Lightning's trainer takes."""

import functools
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from training.callbacks import EarlyStopping, EpochLog, OurSignals, TimeLimit
from training.distributed import ALONE, Place, UnevenDDP, part
from training.hyperparameters import Hyperparameters
from training.optimization import build_optimizer, build_schedule

# Said about choices that are ours: workers as cores, small data, a folder that a resumed run has,
# metrics that are the same in all processes.
_KNOWN_REMARKS = (
    r".*(does not have many workers|logging interval|exists and is not empty|LeafSpec"
    r"|sync_dist=True|find_unused_parameters=True)"
)


def optimize(
    parameters: Hyperparameters, trainable: list[nn.Parameter], *, batches_per_epoch: int
) -> tuple[Optimizer, LRScheduler]:
    """Return optimizer and schedule as the hyperparameters ask."""
    optimizer = build_optimizer(
        trainable,
        name=parameters.optimizer,
        learning_rate=parameters.learning_rate,
        weight_decay=parameters.weight_decay,
        momentum=parameters.momentum,
        nesterov=parameters.nesterov,
        beta1=parameters.beta1,
        beta2=parameters.beta2,
        ams_gradient=parameters.ams_gradient,
    )
    schedule = build_schedule(
        optimizer,
        name=parameters.learning_rate_scheduler,
        steps_per_epoch=-(-batches_per_epoch // parameters.gradient_accumulation_step),
        epochs=parameters.number_of_epochs,
        warmup_epochs=parameters.warmup_cosine_lr_warmup_epochs,
        cycles=parameters.warmup_cosine_lr_cycles,
        step_size=parameters.step_lr_step_size,
        gamma=parameters.step_lr_gamma,
    )
    return optimizer, schedule


def fit(
    module: lightning.LightningModule,
    loaders: tuple[DataLoader[Any], DataLoader[Any]],
    parameters: Hyperparameters,
    *,
    folder: Path,
    primary_metric: str,
    seconds: float,
    callbacks: Sequence[Callback] = (),
    clip_norm: float | None = None,
    place: Place = ALONE,
) -> None:
    """Train to the end, from checkpoints/last.ckpt if it exists; fills checkpoints/.

    `callbacks` are those of the task, beside the ones that every trial has; `clip_norm` is the
    largest norm that all gradients together may have. Of several processes all call this, each
    with the loaders of its share; the first one writes.
    """
    _quiet_lightning()
    last = folder / "checkpoints" / "last.ckpt"
    trainer = lightning.Trainer(
        max_epochs=parameters.number_of_epochs,
        accelerator="auto",
        devices=place.per_node,
        num_nodes=place.world // place.per_node,
        strategy=UnevenDDP() if place.world > 1 else "auto",
        plugins=[place.cluster()],
        use_distributed_sampler=False,
        precision=_precision(),
        gradient_clip_val=clip_norm,
        accumulate_grad_batches=parameters.gradient_accumulation_step,
        check_val_every_n_epoch=parameters.evaluation_frequency,
        callbacks=[*callbacks, *_callbacks(parameters, folder, primary_metric, seconds)],
        deterministic="warn",
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
    )
    trainer.fit(module, *loaders, ckpt_path=last if last.exists() else None, weights_only=True)
    part()


def _callbacks(
    parameters: Hyperparameters, folder: Path, primary_metric: str, seconds: float
) -> list[Callback]:
    """Order matters: last.ckpt, saved last, holds the state of all the others."""
    callbacks: list[Callback] = [
        EpochLog(
            folder / "metrics.jsonl",
            primary_metric=primary_metric,
            hidden=_hidden_metrics(parameters),
        ),
        TimeLimit(seconds),
        OurSignals(),
    ]
    if parameters.early_stopping:
        stopping = EarlyStopping(
            primary_metric,
            patience=parameters.early_stopping_patience,
            delay=parameters.early_stopping_delay,
        )
        callbacks.append(stopping)
    if sys.stderr.isatty():
        callbacks.append(RichProgressBar(leave=False))
    return [*callbacks, *_checkpoints(parameters, folder / "checkpoints", primary_metric)]


def _checkpoints(
    parameters: Hyperparameters, folder: Path, primary_metric: str
) -> list[ModelCheckpoint]:
    """Keep the best epoch, every N-th if asked for, and the last, which is saved after them."""
    keep = functools.partial(
        ModelCheckpoint, dirpath=folder, save_on_train_epoch_end=True, enable_version_counter=False
    )
    best = keep(
        filename="best",
        monitor=primary_metric,
        mode="max",
        every_n_epochs=parameters.evaluation_frequency,
    )
    last = keep(filename="last")
    if parameters.checkpoint_frequency is None:
        return [best, last]
    every_nth = keep(
        filename="{epoch:03d}",
        mode="max",  # nothing is monitored; it only tells this one's state from that of `last`
        every_n_epochs=parameters.checkpoint_frequency,
        save_top_k=-1,
    )
    return [best, every_nth, last]


def _hidden_metrics(parameters: Hyperparameters) -> set[str]:
    hidden = set()
    if not parameters.log_training_metrics:
        hidden.add("train_accuracy")
    if not parameters.log_validation_loss:
        hidden.add("valid_loss")
    return hidden


def _precision() -> Any:
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if bf16 else "32-true"


def _quiet_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=_KNOWN_REMARKS)
