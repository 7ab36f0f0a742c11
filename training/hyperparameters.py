"""What a job gives, filled up with defaults and checked against the model."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from inference.errors import UsageError
from inference.families import FAMILIES, DetectorFamily, Family, family_for
from inference.types import Task
from inference.validation import describe
from training.hyperparameter_names import job_parameters
from training.hyperparameter_schema import (
    SCHEMAS,
    ClassificationHyperparameters,
    Hyperparameters,
    LetterboxHyperparameters,
    ShortSideHyperparameters,
)

__all__ = ["Hyperparameters", "resolve", "schema_for"]

DEFAULT_MODELS: Mapping[Task, str] = {
    Task.CLASSIFICATION: "vitb16r224",
    Task.MULTILABEL: "vitb16r224",
    Task.DETECTION: "yolov5",
    Task.SEGMENTATION: "maskrcnn_resnet50_fpn",
}
_TASK_DEFAULTS: Mapping[Task, Mapping[str, float]] = {
    Task.CLASSIFICATION: {"learning_rate": 0.01},
    Task.MULTILABEL: {"learning_rate": 0.035},
}
_DETECTORS = [family for family in FAMILIES.values() if isinstance(family, DetectorFamily)]


def resolve(parameters: Mapping[str, Any], *, task: Task) -> Hyperparameters:
    """Fill in what `parameters` leave out: given value, then family default, then task default.

    Names may be of either vocabulary, values of any spelling (see job_values). Raises UsageError
    that names the hyperparameter for an unknown name or model, a value out of range, and values
    that do not go together.
    """
    given = job_parameters(parameters, task=task)
    family = _family(str(given.get("model_name", DEFAULT_MODELS[task])), task)
    schema = _schema(task, family)
    _check_names(given, schema, family)
    defaults = {
        "model_name": given.get("model_name", DEFAULT_MODELS[task]),
        **_TASK_DEFAULTS.get(task, {}),
        **_defaults(family, task),
    }
    try:
        values = schema.model_validate({**defaults, **given})
    except ValidationError as error:
        raise UsageError(f"training_parameters: {describe(error, schema)}") from None
    if isinstance(values, ClassificationHyperparameters) and isinstance(family, Family):
        _check_sizes(values, family)
    _check_freezing(values, family)
    return values


def schema_for(task: Task, model_name: str) -> type[Hyperparameters]:
    """Return the class of hyperparameters of a task's model."""
    return _schema(task, family_for(model_name, task))


def _schema(task: Task, family: Family | DetectorFamily) -> type[Hyperparameters]:
    if task is Task.DETECTION and isinstance(family, DetectorFamily):
        letterbox = family.canvas == "letterbox"
        return LetterboxHyperparameters if letterbox else ShortSideHyperparameters
    return SCHEMAS[task][0]


def _family(name: str, task: Task) -> Family | DetectorFamily:
    try:
        family = family_for(name, task)
    except UsageError as error:
        raise UsageError(f"training_parameters: model_name: {error}") from None
    if task not in family.tasks:
        for_task = [family.name for family in FAMILIES.values() if task in family.tasks]
        tasks = ", ".join(sorted(family.tasks))
        raise UsageError(
            f"training_parameters: model_name {name} is a model for {tasks}, not for {task.value} "
            f"(allowed: {', '.join(sorted(for_task))})"
        )
    return family


def _defaults(family: Family | DetectorFamily, task: Task) -> Mapping[str, Any]:
    if isinstance(family, DetectorFamily):
        return family.defaults
    return {**_TASK_DEFAULTS[task], **family.defaults.get(task, {})}


def _check_names(
    given: Mapping[str, Any], schema: type[Hyperparameters], family: Family | DetectorFamily
) -> None:
    """Refuse what other models of the task have."""
    options = {name for other in _DETECTORS for name in other.option_names}
    own = family.option_names if isinstance(family, DetectorFamily) else ()
    for name in given:
        if name not in schema.model_fields or name in options.difference(own):
            raise UsageError(
                f"training_parameters: {name} is not a hyperparameter of {family.name}; remove it"
            )


def _check_sizes(values: ClassificationHyperparameters, family: Family) -> None:
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
    if family.fixed_size and crop % family.size_multiple:
        raise UsageError(
            f"training_parameters: training_crop_size and validation_crop_size must be multiples "
            f"of {family.size_multiple} for {family.name}, got {crop}"
        )
    if family.only_size not in (None, crop):
        raise UsageError(
            f"training_parameters: training_crop_size and validation_crop_size must be "
            f"{family.only_size} for {family.name}, as its image processor says, got {crop}"
        )


def _check_freezing(values: Hyperparameters, family: Family | DetectorFamily) -> None:
    groups = len(family.freeze_groups)
    if values.layers_to_freeze > groups:
        raise UsageError(
            f"training_parameters: layers_to_freeze must be 0…{groups} for {family.name}, "
            f"got {values.layers_to_freeze}"
        )
