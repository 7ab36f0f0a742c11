"""How detectors are trained, judged and exported; see Recipe."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from inference.detect import DetectionPipeline, View, canvas_scale, canvas_side, layout
from inference.engine.torch_engine import TorchEngine
from inference.families import DetectorFamily, family_for
from inference.model_folder import SCHEMA_VERSION, ModelFacts, Preprocessing
from inference.names import settings_name
from inference.settings import DetectionSettings, LetterboxSettings, settings_class, settings_of
from inference.tiling import AUTO, parse_grid
from inference.types import Detections, ObjectsFound, Task
from training.averaging import MovingAverage
from training.data.datasets import WHOLE, Share
from training.data.detection_augmentations import Augmentation, crop_expand, unchanged
from training.data.detection_datasets import (
    DetectionSamples,
    build_detection_loader,
    collate_detection,
)
from training.data.detection_images import DetectionImages
from training.data.mosaic import MosaicAugmentation
from training.data.object_sizes import box_sizes_px, small_object_px
from training.data.parallel_reading import waits_for_network
from training.detection_validation import (
    ValidationImage,
    ValidationImages,
    find_objects,
    validation_loader,
)
from training.export import export_model
from training.fit import optimize
from training.hyperparameter_schema import (
    DetectionHyperparameters,
    LetterboxHyperparameters,
    SegmentationHyperparameters,
)
from training.hyperparameters import Hyperparameters
from training.lit import Detector, Find
from training.metrics.detection import Comparison, ImageTruth, compare, metrics_of
from training.metrics.detection_evaluation import detection_evaluation
from training.onnx_export import export_detector
from training.parity import parity
from training.recipes import Loaders, TrialData
from training.weights import Heads, initial_network

LOG = logging.getLogger(__name__)
_PLAIN_SHARE = 0.1  # of the epochs, the last ones, without mosaics
_PARITY_PHOTOS = 4


class DetectionRecipe:
    """Object detection and instance segmentation."""

    def __init__(self, data: TrialData, parameters: Hyperparameters, *, seed: int) -> None:
        if not isinstance(parameters, DetectionHyperparameters):
            raise TypeError(f"hyperparameters of a detector wanted, got {type(parameters)}")
        self._data = data
        self._parameters = parameters
        self._seed = seed
        self._family = _detector(parameters.model_name, data.task)
        self.clip_norm = self._family.clip_norm
        self._with_masks = self._family.mask_head is not None
        self._settings = _settings(data.task, self._family.canvas, parameters)
        self._object_px = small_object_px(data.train)

    def build(self, *, pretrained: bool, weights: Path | None) -> nn.Module:
        """Build the network that training starts from; a new one is adapted to the boxes."""
        options = {
            name: value
            for name in self._family.option_names
            if (value := getattr(self._parameters, name)) is not None
        }
        network = initial_network(
            self._family.name,
            lambda pretrained: self._family.build(
                num_classes=len(self._data.labels), options=options, pretrained=pretrained
            ),
            heads=Heads(self._family.heads, tuple(self._data.labels), self._family.class_rows),
            pretrained=pretrained,
            weights=weights,
        )
        if weights is None and (fit := self._family.fit_to_data) is not None:
            for line in fit(network, self._box_sizes()).splitlines():
                LOG.info(line)
        return network

    def loaders(self, share: Share = WHOLE) -> Loaders:
        """Loaders of both splits; validation sees images exactly as the server will."""
        data, parameters, family = self._data, self._parameters, self._family
        images = DetectionImages(
            data.train,
            data.labels,
            grid=self._training_grid(),
            overlap_ratio=parameters.tile_overlap_ratio,
        )
        lay_out = layout(self._settings)
        train = DetectionSamples(
            images,
            augmentation=self._augmentation(),
            layout=lambda image: lay_out(image, None),
            with_masks=self._with_masks,
            seed=self._seed,
            parallel=waits_for_network(data.train),
        )
        validation = ValidationImages(
            data.validation,
            data.labels,
            settings=self._settings,
            object_px=self._object_px,
            with_masks=self._with_masks,
        )
        multi_scale = isinstance(parameters, LetterboxHyperparameters) and parameters.multi_scale
        return (
            build_detection_loader(
                train,
                batch_size=parameters.training_batch_size,
                workers=parameters.number_of_workers,
                shuffle_seed=self._seed,
                mean=family.mean,
                std=family.std,
                multi_scale=multi_scale,
                share=share,
            ),
            validation_loader(
                validation,
                batch_size=parameters.validation_batch_size,
                workers=parameters.number_of_workers,
                share=share,
            ),
        )

    def module(self, network: nn.Module, *, batches_per_epoch: int) -> Detector:
        """Wrap the network with its losses, optimizer and metrics."""
        parameters, family = self._parameters, self._family
        batch = partial(collate_detection, mean=family.mean, std=family.std)
        return Detector(
            network,
            losses=family.losses,
            optimize=partial(optimize, parameters, batches_per_epoch=batches_per_epoch),
            find=self._find(),
            evaluate=partial(_metrics, compare=self._compare()),
            validation_batch=batch if parameters.log_validation_loss else None,
            seed=self._seed,
        )

    def callbacks(self) -> list[Callback]:
        """A moving average of the weights where the family is trained with one."""
        return [MovingAverage()] if self._family.averaged else []

    def evaluate(
        self, network: nn.Module, validation: DataLoader[Sequence[ValidationImage]]
    ) -> dict[str, Any]:
        """Metrics, curves, errors by kind and a report per label; float32, as on the server."""
        network.to("cuda" if torch.cuda.is_available() else "cpu")
        find = self._find()
        predictions, truths = [], []
        for images in validation:
            found = find(network, [image.views for image in images])
            predictions += [one.detections for one in found]
            truths += [image.truth for image in images]
        return detection_evaluation(self._compare()(predictions, truths))

    def export(
        self,
        path: Path,
        network: nn.Module,
        *,
        metrics: Mapping[str, float],
        provenance: Mapping[str, Any],
    ) -> dict[str, float]:
        """Write the model folder; raises ModelFolderError when the engines disagree."""
        family, settings = self._family, self._settings
        side = canvas_side(settings)
        facts = ModelFacts(
            schema_version=SCHEMA_VERSION,
            task=self._data.task,
            family=family.name,
            image_size=side,
            canvas=family.canvas,
            options=family.describe(network),
            object_px=self._object_px,
            labels=tuple(self._data.labels),
            preprocessing=Preprocessing(mean=family.mean, std=family.std),
            files={},
            metrics=dict(metrics),
            provenance={**provenance, "model": family.source()},
        )
        photos = [record.image.read_bytes() for record in self._data.validation[:_PARITY_PHOTOS]]
        return export_model(
            path,
            network,
            facts,
            settings,
            write_graphs=partial(export_detector, family=family, size=side)
            if family.has_graph
            else None,
            check=partial(parity, photos=photos),
        )

    def _find(self) -> Find:
        """How validation looks for objects; what it holds is copied with the moving average."""
        return partial(
            _found,
            family=self._family,
            labels=tuple(self._data.labels),
            max_batch=self._parameters.validation_batch_size,
        )

    def _compare(self) -> Callable[..., Comparison]:
        """How predictions are compared with the truth."""
        parameters = self._parameters
        compared = partial(
            compare,
            labels=self._data.labels,
            metric_type=parameters.validation_metric_type,
            iou_threshold=parameters.validation_iou_threshold,
            kind="masks" if self._with_masks else "boxes",
        )
        if isinstance(parameters, SegmentationHyperparameters):
            return partial(compared, mask_threshold=parameters.mask_pixel_score_threshold)
        return compared

    def _augmentation(self) -> Augmentation:
        parameters = self._parameters
        augment = parameters.apply_automl_train_augmentations
        if isinstance(self._settings, LetterboxSettings) and self._family.augmentation == "mosaic":
            plain_epochs = round(_PLAIN_SHARE * parameters.number_of_epochs)
            mosaics = parameters.number_of_epochs - plain_epochs
            return MosaicAugmentation(
                image_size=self._settings.img_size,
                mosaic_epochs=mosaics if parameters.apply_mosaic_for_yolo else 0,
                augment=augment,
            )
        return crop_expand if augment else unchanged

    def _training_grid(self) -> tuple[int, int] | None:
        """Tiles to train on; with "auto", whose grid is each image's own, there are none."""
        grid = self._parameters.tile_grid_size
        return None if grid is None or grid == AUTO else parse_grid(grid)

    def _box_sizes(self) -> NDArray[np.float32]:
        """Width and height of all training boxes on their canvases, (n, 2)."""
        return box_sizes_px(self._data.train, partial(canvas_scale, settings=self._settings))


def _detector(name: str, task: Task) -> DetectorFamily:
    family = family_for(name, task)
    if not isinstance(family, DetectorFamily):
        raise TypeError(f"a family of detectors wanted, {name} is none")
    return family


def _found(
    network: nn.Module,
    images: Sequence[Sequence[View]],
    *,
    family: DetectorFamily,
    labels: tuple[str, ...],
    max_batch: int,
) -> list[ObjectsFound]:
    """Detect with a network as it is now, by the code that serves."""
    engine = TorchEngine(
        network,
        device=str(next(network.parameters()).device),
        preprocessing=Preprocessing(mean=family.mean, std=family.std),
        mask_head=family.mask_head,
    )
    pipeline = DetectionPipeline(engine, family=family, labels=labels)
    return find_objects(pipeline, images, max_batch=max_batch)


def _metrics(
    predictions: Sequence[Detections],
    truths: Sequence[ImageTruth],
    *,
    compare: Callable[..., Comparison],
) -> dict[str, float]:
    return metrics_of(compare(predictions, truths))


def _settings(task: Task, canvas: Any, parameters: DetectionHyperparameters) -> DetectionSettings:
    """The settings that a model starts with: what the job says, under the names of settings."""
    kind = settings_class(task, canvas)
    named = {settings_name(name): value for name, value in parameters.model_dump().items()}
    settings = kind(**{name: named[name] for name in kind.model_fields if name in named})
    return settings_of(settings, DetectionSettings)
