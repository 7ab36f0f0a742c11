"""The hyperparameters of both classification tasks: names, ranges, defaults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from training.job_values import Flag, Integer, Number, spelled_as

_PositiveInt = Annotated[Integer, Field(ge=1)]
_Side = Annotated[Integer, Field(ge=8, le=4096)]
_Beta = Annotated[Number, Field(ge=0, lt=1)]
_Optimizer = Annotated[
    Literal["sgd", "adam", "adamw"], BeforeValidator(spelled_as("sgd", "adam", "adamw"))
]
_Scheduler = Annotated[
    Literal["warmup_cosine", "step"], BeforeValidator(spelled_as("warmup_cosine", "step"))
]


class Hyperparameters(BaseModel):
    """Both classification tasks, under the names of job files.

    Sizes are sides in pixels, epochs whole numbers; `early_stopping_patience` and
    `early_stopping_delay` count evaluations. `checkpoint_frequency` None keeps the best epoch
    alone, `random_seed` None leaves the seed to chance.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model_name: str = "vitb16r224"
    pretrained: Flag = True
    weights: Path | None = None
    checkpoint_run_id: str | None = None

    number_of_epochs: _PositiveInt = 15
    training_batch_size: _PositiveInt = 78
    validation_batch_size: _PositiveInt = 78
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
    weighted_loss: Integer = Field(default=0, ge=0, le=2)
    layers_to_freeze: Integer = Field(default=0, ge=0)

    training_crop_size: _Side = 224
    validation_crop_size: _Side = 224
    validation_resize_size: _Side = 256

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
