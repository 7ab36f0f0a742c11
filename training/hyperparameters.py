"""What a job gives, filled up with defaults and checked against the model."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from inference.errors import UsageError
from inference.families import Family, family_named
from inference.types import Task
from inference.validation import describe
from training.hyperparameter_names import job_parameters
from training.hyperparameter_schema import Hyperparameters

__all__ = ["Hyperparameters", "resolve"]

_TASK_DEFAULTS: Mapping[Task, Mapping[str, float]] = {
    Task.CLASSIFICATION: {"learning_rate": 0.01},
    Task.MULTILABEL: {"learning_rate": 0.035},
}
_PATCH = 16  # side in pixels of the squares that every registered transformer cuts images into


def resolve(parameters: Mapping[str, Any], *, task: Task) -> Hyperparameters:
    """Fill in what `parameters` leave out: given value, then family default, then task default.

    Names may be of either vocabulary, values of any spelling (see job_values). Raises UsageError
    that names the hyperparameter for an unknown name or model, a value out of range, and values
    that do not go together.
    """
    given = job_parameters(parameters, task=task)
    family = _family(str(given.get("model_name", "vitb16r224")), task)
    defaults = {**_TASK_DEFAULTS[task], **family.defaults.get(task, {})}
    try:
        values = Hyperparameters.model_validate({**defaults, **given})
    except ValidationError as error:
        message = describe(error, Hyperparameters)
        raise UsageError(f"training_parameters: {message}") from None
    _check_sizes(values, family)
    _check_freezing(values, family)
    return values


def _family(name: str, task: Task) -> Family:
    try:
        family = family_named(name)
    except UsageError as error:
        raise UsageError(f"training_parameters: model_name: {error}") from None
    if task not in family.tasks:
        tasks = ", ".join(sorted(family.tasks))
        raise UsageError(
            f"training_parameters: model_name {name} is a model for {tasks}, not for {task.value}"
        )
    return family


def _check_sizes(values: Hyperparameters, family: Family) -> None:
    train, crop = values.training_crop_size, values.validation_crop_size
    if crop > values.validation_resize_size:
        raise UsageError(
            "training_parameters: validation_crop_size must be at most validation_resize_size "
            f"({values.validation_resize_size}), got {crop}; set both"
        )
    if family.fixed_size and train != crop:
        raise UsageError(
            f"training_parameters: training_crop_size and validation_crop_size must be equal for "
            f"{family.name}, got {train} and {crop}; set both"
        )
    if family.fixed_size and crop % _PATCH:
        raise UsageError(
            f"training_parameters: training_crop_size and validation_crop_size must be multiples "
            f"of {_PATCH} for {family.name}, got {crop}"
        )


def _check_freezing(values: Hyperparameters, family: Family) -> None:
    groups = len(family.freeze_groups)
    if values.layers_to_freeze > groups:
        raise UsageError(
            f"training_parameters: layers_to_freeze must be 0…{groups} for {family.name}, "
            f"got {values.layers_to_freeze}"
        )
