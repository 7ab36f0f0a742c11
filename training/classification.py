"""How classifiers are trained, judged and exported; see Recipe."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from inference.families import Family, family_for
from inference.model_folder import SCHEMA_VERSION, ModelFacts, Preprocessing
from inference.settings import ClassificationSettings
from inference.types import Task, probabilities
from training.data.augmentations import ClassificationAugmentation, validation_crop
from training.data.datasets import (
    WHOLE,
    Batch,
    LabelledImages,
    Share,
    Transform,
    build_loader,
    target_matrix,
)
from training.export import export_model
from training.fit import optimize
from training.hyperparameter_schema import ClassificationHyperparameters
from training.hyperparameters import Hyperparameters
from training.lit import Classifier
from training.losses import build_loss, class_weights
from training.metrics.classification import classification_metrics
from training.metrics.evaluation import evaluation
from training.onnx_export import export_classifier, export_classifier_if_possible
from training.parity import parity
from training.recipes import Loaders, TrialData
from training.weights import Heads, initial_network


class ClassificationRecipe:
    """Both classification tasks."""

    def __init__(self, data: TrialData, parameters: Hyperparameters, *, seed: int) -> None:
        if not isinstance(parameters, ClassificationHyperparameters):
            raise TypeError(f"hyperparameters of a classifier wanted, got {type(parameters)}")
        self._data = data
        self._parameters = parameters
        self._seed = seed
        self._family = _classifier(parameters.model_name, data.task)
        self.clip_norm: float | None = None

    def build(self, *, pretrained: bool, weights: Path | None) -> nn.Module:
        """Build the network that training starts from."""
        return initial_network(
            self._family.name,
            lambda pretrained: self._family.build(
                num_classes=len(self._data.labels),
                image_size=self._parameters.validation_crop_size,
                pretrained=pretrained,
            ),
            heads=Heads(self._family.heads, tuple(self._data.labels)),
            pretrained=pretrained,
            weights=weights,
        )

    def loaders(self, share: Share = WHOLE) -> Loaders:
        """Loaders of both splits; validation sees images exactly as the server will."""
        data, parameters, seed = self._data, self._parameters, self._seed
        crop = partial(
            validation_crop,
            resize_size=parameters.validation_resize_size,
            crop_size=parameters.validation_crop_size,
            preprocessing=self._family.preprocessing,
        )
        train = LabelledImages(
            data.train,
            data.labels,
            transform=_training_crop(parameters, self._family.preprocessing),
            seed=seed,
        )
        validation = LabelledImages(data.validation, data.labels, transform=crop, seed=seed)
        loader = partial(
            build_loader,
            workers=parameters.number_of_workers,
            share=share,
            normalized=self._family.preprocessing.normalized,
        )
        return (
            loader(train, batch_size=parameters.training_batch_size, shuffle_seed=seed),
            loader(validation, batch_size=parameters.validation_batch_size, shuffle_seed=None),
        )

    def module(self, network: nn.Module, *, batches_per_epoch: int) -> Classifier:
        """Wrap the network with its loss, optimizer and metrics."""
        data, parameters = self._data, self._parameters
        targets = target_matrix(data.train, data.labels)
        weights = class_weights(
            torch.from_numpy(targets.sum(axis=0)),
            total=len(targets),
            task=data.task,
            weighted_loss=parameters.weighted_loss,
        )
        return Classifier(
            network,
            task=data.task,
            loss=build_loss(data.task, weights),
            optimize=partial(optimize, parameters, batches_per_epoch=batches_per_epoch),
            evaluate=partial(classification_metrics, task=data.task),
            seed=self._seed,
        )

    def callbacks(self) -> list[Callback]:
        """None beside the common ones."""
        return []

    def evaluate(self, network: nn.Module, validation: DataLoader[Batch]) -> dict[str, Any]:
        """Metrics, confusion matrix, curves and a report per class; float32, as on the server."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network.to(device)
        with torch.inference_mode():
            batches = [(network(images.to(device)).cpu(), truth) for images, truth in validation]
        logits, targets = (torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
        probs = probabilities(logits, self._data.task)
        return evaluation(probs, targets, labels=self._data.labels, task=self._data.task)

    def export(
        self,
        path: Path,
        network: nn.Module,
        *,
        metrics: Mapping[str, float],
        provenance: Mapping[str, Any],
    ) -> dict[str, float]:
        """Write the model folder; raises ModelFolderError when the engines disagree."""
        parameters, family = self._parameters, self._family
        facts = ModelFacts(
            schema_version=SCHEMA_VERSION,
            task=self._data.task,
            family=family.library or family.name,
            image_size=parameters.validation_crop_size,
            fixed_size=family.fixed_size,
            options=family.describe(network.cpu().eval(), parameters.validation_crop_size),
            labels=tuple(self._data.labels),
            preprocessing=family.preprocessing,
            files={},
            metrics=dict(metrics),
            provenance={**provenance, "model": family.source()},
        )
        settings = ClassificationSettings(
            valid_resize_size=parameters.validation_resize_size,
            valid_crop_size=parameters.validation_crop_size,
        )
        return export_model(
            path,
            network,
            facts,
            settings,
            write_graphs=partial(
                export_classifier if family.library is None else export_classifier_if_possible,
                image_size=facts.image_size,
                fixed_size=facts.fixed_size,
            ),
            check=parity,
        )


def _classifier(name: str, task: Task) -> Family:
    family = family_for(name, task)
    if not isinstance(family, Family):
        raise TypeError(f"a family of classifiers wanted, {name} is none")
    return family


def _training_crop(
    parameters: ClassificationHyperparameters, preprocessing: Preprocessing
) -> Transform:
    if parameters.apply_automl_train_augmentations:
        return ClassificationAugmentation(parameters.training_crop_size)
    return partial(
        validation_crop,
        resize_size=max(parameters.validation_resize_size, parameters.training_crop_size),
        crop_size=parameters.training_crop_size,
        preprocessing=preprocessing,
    )
