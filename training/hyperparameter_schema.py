"""The hyperparameters of every task, under the names of job files: ranges and defaults.

Sizes are sides in pixels, epochs whole numbers; `early_stopping_patience` and
`early_stopping_delay` count evaluations. `checkpoint_frequency` None keeps the best epoch alone,
`random_seed` None leaves the seed to chance.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from inference.settings import TileGrid, check_sides
from inference.types import Task
from training.job_values import Flag, Integer, Number, spelled_as

_PositiveInt = Annotated[Integer, Field(ge=1)]
_Side = Annotated[Integer, Field(ge=8, le=4096)]
_Beta = Annotated[Number, Field(ge=0, lt=1)]
_Share = Annotated[Number, Field(ge=0, le=1)]
_Optimizer = Annotated[
    Literal["sgd", "adam", "adamw"], BeforeValidator(spelled_as("sgd", "adam", "adamw"))
]
_Scheduler = Annotated[
    Literal["warmup_cosine", "step"], BeforeValidator(spelled_as("warmup_cosine", "step"))
]
_METRIC_TYPES = ("none", "coco", "voc", "coco_voc")
_MetricType = Annotated[
    Literal["none", "coco", "voc", "coco_voc"], BeforeValidator(spelled_as(*_METRIC_TYPES))
]
_SIZES = ("nano", "small", "medium", "large", "extra_large")
_ModelSize = Annotated[
    Literal["nano", "small", "medium", "large", "extra_large"],
    BeforeValidator(spelled_as(*_SIZES)),
]
_ImageType = Annotated[
    Literal["JPG", "PNG", "BMP"], BeforeValidator(spelled_as("JPG", "PNG", "BMP"))
]


class Hyperparameters(BaseModel):
    """What all tasks have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model_name: str
    pretrained: Flag = True
    weights: Path | None = None
    checkpoint_run_id: str | None = None

    number_of_epochs: _PositiveInt = 15
    training_batch_size: _PositiveInt
    validation_batch_size: _PositiveInt
    gradient_accumulation_step: _PositiveInt = 1
    learning_rate: Number = Field(gt=0)
    learning_rate_scheduler: _Scheduler = "warmup_cosine"
    warmup_cosine_lr_cycles: Number = Field(default=0.45, ge=0)
    warmup_cosine_lr_warmup_epochs: Integer = Field(default=2, ge=0)
    step_lr_gamma: Number = Field(default=0.5, gt=0)
    step_lr_step_size: _PositiveInt = 5
    optimizer: _Optimizer = "sgd"
    momentum: _Beta = 0.9
    nesterov: Flag = True
    weight_decay: Number = Field(default=1e-4, ge=0)
    beta1: _Beta = 0.9
    beta2: _Beta = 0.999
    ams_gradient: Flag = False
    layers_to_freeze: Integer = Field(default=0, ge=0)

    early_stopping: Flag = True
    early_stopping_patience: _PositiveInt = 5
    early_stopping_delay: Integer = Field(default=5, ge=0)
    evaluation_frequency: _PositiveInt = 1
    checkpoint_frequency: _PositiveInt | None = None
    log_training_metrics: Flag = False
    log_validation_loss: Flag = True

    number_of_workers: Integer = Field(default=8, ge=0)
    random_seed: Integer | None = Field(default=None, ge=0)
    distributed: Flag = True
    stream_image_files: Flag = False
    apply_automl_train_augmentations: Flag = True
    apply_mosaic_for_yolo: Flag = True  # named by every `advanced_settings`; yolov5 alone reads it


class ClassificationHyperparameters(Hyperparameters):
    """Both classification tasks."""

    training_batch_size: _PositiveInt = 78
    validation_batch_size: _PositiveInt = 78
    weighted_loss: Integer = Field(default=0, ge=0, le=2)
    training_crop_size: _Side = 224
    validation_crop_size: _Side = 224
    validation_resize_size: _Side = 256


class DetectionHyperparameters(Hyperparameters):
    """Every detector."""

    training_batch_size: _PositiveInt = 2
    validation_batch_size: _PositiveInt = 1
    learning_rate: Number = Field(default=0.005, gt=0)
    number_of_workers: Integer = Field(default=4, ge=0)
    box_score_threshold: _Share = 0.3
    nms_iou_threshold: _Share = 0.5
    box_detections_per_image: Annotated[Integer, Field(ge=1, le=1000)] = 100
    validation_metric_type: _MetricType = "voc"
    validation_iou_threshold: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    tile_grid_size: TileGrid | None = None
    tile_overlap_ratio: _Beta = 0.25
    tile_predictions_nms_threshold: _Share = 0.25


class ShortSideHyperparameters(DetectionHyperparameters):
    """Detectors that see images of any shape.

    rois_per_image: proposals that a step of Faster and Mask R-CNN learns from, per image.
    """

    rois_per_image: Annotated[Integer, Field(ge=8, le=4096)] | None = None
    min_size: Annotated[Integer, Field(ge=32, le=4096)] = 600
    max_size: Annotated[Integer, Field(ge=32, le=8192)] = 1333

    @model_validator(mode="after")
    def _sides_are_in_order(self) -> Self:
        check_sides(self.min_size, self.max_size)
        return self


class LetterboxHyperparameters(DetectionHyperparameters):
    """Detectors that see a square; model_size is yolov5's, model_checkpoint a transformer's."""

    image_size: Annotated[Integer, Field(ge=32, le=4096, multiple_of=32)] = 640
    model_size: _ModelSize | None = None
    model_checkpoint: str | None = None
    multi_scale: Flag = False


class SegmentationHyperparameters(ShortSideHyperparameters):
    """Instance segmentation."""

    mask_pixel_score_threshold: _Share = 0.5
    max_number_of_polygon_points: Annotated[Integer, Field(ge=3, le=10_000)] = 100
    export_as_image: Flag = False
    image_type: _ImageType = "JPG"


SCHEMAS: Mapping[Task, tuple[type[Hyperparameters], ...]] = {
    Task.CLASSIFICATION: (ClassificationHyperparameters,),
    Task.MULTILABEL: (ClassificationHyperparameters,),
    Task.DETECTION: (ShortSideHyperparameters, LetterboxHyperparameters),
    Task.SEGMENTATION: (SegmentationHyperparameters,),
}
