"""The Lightning modules: one network, its loss, and the predictions of a validation pass."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from inference.candidates import BoxTargets
from inference.detect import View
from inference.families.base import Losses
from inference.types import Detections, ObjectsFound, Task, probabilities
from training.data.datasets import Batch, mix_seed
from training.data.detection_datasets import DetectionBatch, LaidOut
from training.detection_validation import ValidationImage
from training.distributed import share_buffers, together
from training.losses import Loss
from training.metrics.detection_regions import ImageTruth

Evaluate = Callable[[NDArray[np.float32], NDArray[np.float32]], Mapping[str, float]]
Optimize = Callable[[list[nn.Parameter]], tuple[Optimizer, LRScheduler]]
Find = Callable[[nn.Module, Sequence[Sequence[View]]], Sequence[ObjectsFound]]
_Row = NDArray[np.float32]
EvaluateDetections = Callable[[Sequence[Detections], Sequence[ImageTruth]], Mapping[str, float]]


class Classifier(lightning.LightningModule):
    """Trains a network on (images, targets) and logs every metric of its validation pass.

    `optimize` makes optimizer and schedule from the parameters that are not frozen;
    `evaluate(probs, targets)`, both (N, C), gives the metrics by name.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        task: Task,
        loss: Loss,
        optimize: Optimize,
        evaluate: Evaluate,
        seed: int,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self._task = task
        self._loss = loss
        self._optimize = optimize
        self._evaluate = evaluate
        self._seed = seed
        self._seen: list[tuple[_Row, _Row]] = []  # logits (C,) and targets (C,) per image

    def configure_optimizers(self) -> Any:
        """Optimizer over what is not frozen; the schedule moves once per optimizer step."""
        return _optimizers(self.network, self._optimize)

    def on_train_epoch_start(self) -> None:
        """Seed dropout by epoch, so that a resumed run draws what an uninterrupted one would."""
        torch.manual_seed(mix_seed(self._seed, self.current_epoch, self.global_rank))
        keep_frozen_statistics(self.network)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Loss of one batch; loss and accuracy are logged as seen here, on augmented images."""
        images, targets = batch
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        loss = self._loss(logits, targets)
        seen = {"train_loss": loss, "train_accuracy": _hits(logits, targets, self._task).mean()}
        self.log_dict(seen, on_step=False, on_epoch=True, batch_size=len(images), sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """All processes judge the same network."""
        share_buffers(self.network)

    def validation_step(self, batch: Batch, _: int) -> None:
        """Keep logits and targets; the metrics need all of them together."""
        images, targets = batch
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        self._seen += zip(logits.float().cpu().numpy(), targets.cpu().numpy(), strict=True)

    def on_validation_epoch_end(self) -> None:
        """Log the loss and every metric of the whole validation set."""
        metrics = together(self._seen, self._judge)
        self._seen = []
        self.log_dict({name: torch.tensor(value) for name, value in metrics.items()})

    def _judge(self, seen: Sequence[tuple[_Row, _Row]]) -> dict[str, float]:
        logits, targets = (np.stack(rows) for rows in zip(*seen, strict=True))
        loss = self._loss(torch.from_numpy(logits), torch.from_numpy(targets))
        metrics = self._evaluate(probabilities(logits, self._task), targets)
        return {"valid_loss": float(loss), **metrics}


class Detector(lightning.LightningModule):
    """Trains a detector on (canvases, targets) and judges it the way the server would see it.

    `losses(network, canvases, targets)` gives the terms of the loss, `optimize` optimizer and
    schedule of the parameters that are not frozen, `find` the objects in validation images, and
    `evaluate(detections, truths)` the metrics by name.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        losses: Losses,
        optimize: Optimize,
        find: Find,
        evaluate: EvaluateDetections,
        validation_batch: Callable[[Sequence[LaidOut]], DetectionBatch] | None,
        seed: int,
    ) -> None:
        """`validation_batch` makes the batches of the validation loss, None leaves it out."""
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self._losses = losses
        self._optimize = optimize
        self._find = find
        self._evaluate = evaluate
        self._validation_batch = validation_batch
        self._seed = seed
        self._seen: list[tuple[Detections, ImageTruth, float]] = []  # with the loss of its batch

    def configure_optimizers(self) -> Any:
        """Optimizer over what is not frozen; the schedule moves once per optimizer step."""
        return _optimizers(self.network, self._optimize)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Move a training batch; validation images stay where the pipeline wants them."""
        return _moved(batch, device) if isinstance(batch, tuple) else batch

    def on_train_epoch_start(self) -> None:
        """Seed samplers and dropout by epoch; a resumed run draws what an uninterrupted would."""
        torch.manual_seed(mix_seed(self._seed, self.current_epoch, self.global_rank))
        keep_frozen_statistics(self.network)

    def training_step(self, batch: DetectionBatch, _: int) -> Tensor:
        """Sum of the loss's terms; each is logged."""
        canvases, targets = batch
        terms = self._losses(
            self.network, canvases.contiguous(memory_format=torch.channels_last), targets
        )
        loss = torch.stack(list(terms.values())).sum()
        seen = {"train_loss": loss, **{f"train_{name}": term for name, term in terms.items()}}
        self.log_dict(seen, on_step=False, on_epoch=True, batch_size=len(canvases), sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """All processes judge the same network."""
        share_buffers(self.network)

    def validation_step(self, batch: Sequence[ValidationImage], _: int) -> None:
        """Detect, and keep what was found: the metrics need all of it together."""
        found = self._find(self.network, [image.views for image in batch])
        loss = self._validation_loss(batch)
        self._seen += [
            (one.detections, image.truth, loss) for one, image in zip(found, batch, strict=True)
        ]

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation set, and its loss if wanted."""
        metrics = together(self._seen, self._judge)
        self._seen = []
        self.log_dict({name: torch.tensor(value) for name, value in metrics.items()})

    def _validation_loss(self, batch: Sequence[ValidationImage]) -> float:
        """Sum of the loss's terms; 0 where it is not wanted."""
        if self._validation_batch is None:
            return 0.0
        made = self._validation_batch([image.laid_out for image in batch])
        canvases, targets = _moved(made, self.device)
        terms = self._losses(self.network, canvases, targets)
        return float(torch.stack(list(terms.values())).sum())

    def _judge(self, seen: Sequence[tuple[Detections, ImageTruth, float]]) -> Mapping[str, float]:
        found, truths, losses = zip(*seen, strict=True)
        metrics = self._evaluate(found, truths)
        if self._validation_batch is None:
            return metrics
        return {"valid_loss": fmean(losses), **metrics}


def _moved(batch: DetectionBatch, device: torch.device) -> DetectionBatch:
    canvases, targets = batch
    return canvases.to(device, non_blocking=True), [
        BoxTargets(
            one.boxes_xyxy.to(device),
            one.label_ids.to(device),
            None if one.masks is None else one.masks.to(device),
        )
        for one in targets
    ]


def _optimizers(network: nn.Module, optimize: Optimize) -> dict[str, Any]:
    trainable = [p for p in network.parameters() if p.requires_grad]
    optimizer, schedule = optimize(trainable)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": schedule, "interval": "step"},
    }


def keep_frozen_statistics(network: nn.Module) -> None:
    """Frozen BatchNorm layers keep their running statistics too."""
    for module in network.modules():
        parameters = list(module.parameters(recurse=False))
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()


def _hits(logits: Tensor, targets: Tensor, task: Task) -> Tensor:
    """1 per image whose labels are all right, else 0."""
    if task is Task.MULTILABEL:
        return ((logits > 0) == (targets > 0.5)).all(dim=1).float()
    return (logits.argmax(dim=1) == targets.argmax(dim=1)).float()
