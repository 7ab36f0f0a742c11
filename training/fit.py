"""One trial's training: hyperparameters are turned into flat arguments here, and nowhere else."""

import functools
import logging
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from inference.types import Task, probabilities
from training.callbacks import EarlyStopping, EpochLog, TimeLimit
from training.data.augmentations import ClassificationAugmentation, validation_crop
from training.data.datasets import (
    Batch,
    LabelledImages,
    Transform,
    build_loader,
    target_matrix,
)
from training.data.records import Record
from training.hyperparameters import Hyperparameters
from training.lit import Classifier
from training.losses import build_loss, class_weights
from training.metrics.classification import classification_metrics
from training.optimization import build_optimizer, build_schedule

# Said about choices that are ours: workers as cores, small data, a folder that a resumed run has.
_KNOWN_REMARKS = r".*(does not have many workers|logging interval|exists and is not empty|LeafSpec)"


@dataclass(frozen=True, slots=True)
class TrialData:
    """What a trial learns from."""

    task: Task
    labels: Sequence[str]
    train: Sequence[Record]
    validation: Sequence[Record]


def build_loaders(
    data: TrialData, parameters: Hyperparameters, *, seed: int
) -> tuple[DataLoader[Batch], DataLoader[Batch]]:
    """Loaders of both splits; validation sees images exactly as the server will."""
    crop = functools.partial(
        validation_crop,
        resize_size=parameters.validation_resize_size,
        crop_size=parameters.validation_crop_size,
    )
    train = LabelledImages(data.train, data.labels, transform=_training_crop(parameters), seed=seed)
    validation = LabelledImages(data.validation, data.labels, transform=crop, seed=seed)
    loader = functools.partial(build_loader, workers=parameters.number_of_workers)
    return (
        loader(train, batch_size=parameters.training_batch_size, shuffle_seed=seed),
        loader(validation, batch_size=parameters.validation_batch_size, shuffle_seed=None),
    )


def _training_crop(parameters: Hyperparameters) -> Transform:
    if parameters.apply_automl_train_augmentations:
        return ClassificationAugmentation(parameters.training_crop_size)
    return functools.partial(
        validation_crop,
        resize_size=max(parameters.validation_resize_size, parameters.training_crop_size),
        crop_size=parameters.training_crop_size,
    )


def build_classifier(
    network: nn.Module,
    data: TrialData,
    parameters: Hyperparameters,
    *,
    batches_per_epoch: int,
    seed: int,
) -> Classifier:
    """Wrap a network with its loss, optimizer and metrics."""
    targets = target_matrix(data.train, data.labels)
    weights = class_weights(
        torch.from_numpy(targets.sum(axis=0)),
        total=len(targets),
        task=data.task,
        weighted_loss=parameters.weighted_loss,
    )
    steps = -(-batches_per_epoch // parameters.gradient_accumulation_step)
    return Classifier(
        network,
        task=data.task,
        loss=build_loss(data.task, weights),
        optimize=functools.partial(_optimize, parameters, steps),
        evaluate=functools.partial(classification_metrics, task=data.task),
        seed=seed,
    )


def _optimize(
    parameters: Hyperparameters, steps_per_epoch: int, trainable: list[nn.Parameter]
) -> tuple[Optimizer, LRScheduler]:
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
        steps_per_epoch=steps_per_epoch,
        epochs=parameters.number_of_epochs,
        warmup_epochs=parameters.warmup_cosine_lr_warmup_epochs,
        cycles=parameters.warmup_cosine_lr_cycles,
        step_size=parameters.step_lr_step_size,
        gamma=parameters.step_lr_gamma,
    )
    return optimizer, schedule


def fit(
    classifier: Classifier,
    loaders: tuple[DataLoader[Batch], DataLoader[Batch]],
    parameters: Hyperparameters,
    *,
    folder: Path,
    primary_metric: str,
    seconds: float,
) -> None:
    """Train to the end, from checkpoints/last.ckpt if it exists; fills checkpoints/."""
    _quiet_lightning()
    last = folder / "checkpoints" / "last.ckpt"
    trainer = lightning.Trainer(
        max_epochs=parameters.number_of_epochs,
        accelerator="auto",
        devices=1,
        precision=_precision(),
        accumulate_grad_batches=parameters.gradient_accumulation_step,
        check_val_every_n_epoch=parameters.evaluation_frequency,
        callbacks=_callbacks(parameters, folder, primary_metric, seconds),
        deterministic="warn",
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
    )
    trainer.fit(classifier, *loaders, ckpt_path=last if last.exists() else None, weights_only=True)


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


def predict(
    network: nn.Module, loader: DataLoader[Batch], *, task: Task
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities and targets of a whole loader, both (N, C), in float32 as on the server."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    with torch.inference_mode():
        batches = [(network(images.to(device)).cpu(), targets) for images, targets in loader]
    logits, targets = (torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
    return probabilities(logits, task), targets
