"""What a trial does that depends on its task: one recipe per kind of model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import lightning
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from inference.types import CLASSIFICATION_TASKS, Task
from training.data.datasets import WHOLE, Share
from training.data.records import Record
from training.hyperparameters import Hyperparameters

Loaders = tuple[DataLoader[Any], DataLoader[Any]]


@dataclass(frozen=True, slots=True)
class TrialData:
    """What a trial learns from."""

    task: Task
    labels: Sequence[str]
    train: Sequence[Record]
    validation: Sequence[Record]


class Recipe(Protocol):
    """How one kind of model is built, trained, judged and exported.

    clip_norm: the largest norm of all gradients together, None for no limit.
    """

    clip_norm: float | None

    def build(self, *, pretrained: bool, weights: Path | None) -> nn.Module:
        """Build the network that training starts from. Raises UsageError (see weights)."""
        ...

    def loaders(self, share: Share = WHOLE) -> Loaders:
        """Loaders of a process's share of both splits."""
        ...

    def module(self, network: nn.Module, *, batches_per_epoch: int) -> lightning.LightningModule:
        """Wrap the network with its loss, optimizer and metrics."""
        ...

    def callbacks(self) -> list[Callback]:
        """What this kind of model needs while it trains."""
        ...

    def evaluate(self, network: nn.Module, validation: DataLoader[Any]) -> dict[str, Any]:
        """Judge a network on the validation split: `metrics` and what explains them, for JSON."""
        ...

    def export(
        self,
        path: Path,
        network: nn.Module,
        *,
        metrics: Mapping[str, float],
        provenance: Mapping[str, Any],
    ) -> dict[str, float]:
        """Write the model folder; return the parity differences by engine."""
        ...


def recipe_for(data: TrialData, parameters: Hyperparameters, *, seed: int) -> Recipe:
    """Choose the recipe of a trial."""
    if data.task in CLASSIFICATION_TASKS:
        from training.classification import ClassificationRecipe

        return ClassificationRecipe(data, parameters, seed=seed)
    from training.detection import DetectionRecipe

    return DetectionRecipe(data, parameters, seed=seed)
