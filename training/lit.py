"""The Lightning modules: one network, its loss, and the predictions of a validation pass."""

from collections.abc import Callable, Mapping
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import CatMetric

from inference.types import Task, probabilities
from training.data.datasets import Batch, mix_seed
from training.losses import Loss

Evaluate = Callable[[NDArray[np.float32], NDArray[np.float32]], Mapping[str, float]]


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
        optimize: Callable[[list[nn.Parameter]], tuple[Optimizer, LRScheduler]],
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
        self._logits = CatMetric()
        self._targets = CatMetric()

    def configure_optimizers(self) -> Any:
        """Optimizer over what is not frozen; the schedule moves once per optimizer step."""
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        optimizer, schedule = self._optimize(trainable)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_epoch_start(self) -> None:
        """Seed dropout by epoch, so that a resumed run draws what an uninterrupted one would."""
        torch.manual_seed(mix_seed(self._seed, self.current_epoch))
        self._keep_frozen_statistics()

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Loss of one batch; loss and accuracy are logged as seen here, on augmented images."""
        images, targets = batch
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        loss = self._loss(logits, targets)
        seen = {"train_loss": loss, "train_accuracy": _hits(logits, targets, self._task).mean()}
        self.log_dict(seen, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Keep logits and targets; the metrics need all of them together."""
        images, targets = batch
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        self._logits.update(logits.float())
        self._targets.update(targets)

    def on_validation_epoch_end(self) -> None:
        """Log the loss and every metric of the whole validation set."""
        logits, targets = self._logits.compute(), self._targets.compute()
        self._logits.reset()
        self._targets.reset()
        probs = probabilities(logits.cpu().numpy(), self._task)
        metrics = self._evaluate(probs, targets.cpu().numpy())
        self.log("valid_loss", self._loss(logits, targets))
        self.log_dict({name: torch.tensor(value) for name, value in metrics.items()})

    def _keep_frozen_statistics(self) -> None:
        """Frozen BatchNorm layers keep their running statistics too."""
        for module in self.network.modules():
            parameters = list(module.parameters(recurse=False))
            if parameters and not any(p.requires_grad for p in parameters):
                module.eval()


def _hits(logits: Tensor, targets: Tensor, task: Task) -> Tensor:
    """1 per image whose labels are all right, else 0."""
    if task is Task.MULTILABEL:
        return ((logits > 0) == (targets > 0.5)).all(dim=1).float()
    return (logits.argmax(dim=1) == targets.argmax(dim=1)).float()
