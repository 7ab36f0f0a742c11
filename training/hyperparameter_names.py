"""Names of hyperparameters: both vocabularies, `advanced_settings`, and names of other tasks."""

import json
from collections.abc import Mapping
from typing import Any

from inference.errors import UsageError
from inference.names import job_name, unknown_name
from inference.types import Task
from training.hyperparameter_schema import SCHEMAS

_ADVANCED = ("stream_image_files", "apply_mosaic_for_yolo", "apply_automl_train_augmentations")
_NAMES = sorted({name for group in SCHEMAS.values() for s in group for name in s.model_fields})
TASKS_OF: Mapping[str, tuple[Task, ...]] = {
    name: tuple(
        task for task, schemas in SCHEMAS.items() if any(name in s.model_fields for s in schemas)
    )
    for name in _NAMES
}
ALL_NAMES = frozenset({*TASKS_OF, "advanced_settings"})


def job_parameters(parameters: Mapping[str, Any], *, task: Task) -> dict[str, Any]:
    """Spell every name as job files do and unpack `advanced_settings`, a JSON string.

    Raises UsageError for an unknown name, one of another task, and one given under both names.
    """
    result = _advanced(parameters.get("advanced_settings"))
    seen: dict[str, str] = {}
    for key, value in parameters.items():
        name = job_name(key)
        if name in seen:
            raise UsageError(f"training_parameters: {key} and {seen[name]} are the same; give one")
        seen[name] = key
        if name != "advanced_settings":
            _check_name(key, name, task)
            result[name] = value
    return result


def _advanced(text: Any) -> dict[str, Any]:
    """Unpack `advanced_settings`; Azure has it as a JSON string, a mapping is understood too."""
    try:
        settings = json.loads(text) if isinstance(text, str) and text.strip() else text or {}
    except json.JSONDecodeError as error:
        raise UsageError(
            f"training_parameters: advanced_settings is not valid JSON: {error}, got {text!r}"
        ) from None
    if not isinstance(settings, dict):
        raise UsageError(
            f"training_parameters: advanced_settings must hold a JSON object, got {text!r}"
        )
    for key in settings:
        if key not in _ADVANCED:
            problem = unknown_name("key in advanced_settings", key, _ADVANCED)
            raise UsageError(f"training_parameters: {problem}")
    return settings


def _check_name(key: str, name: str, task: Task) -> None:
    tasks = TASKS_OF.get(name, ())
    if task in tasks:
        return
    if tasks:
        raise UsageError(
            f"training_parameters: {key} is a hyperparameter of {' and '.join(tasks)}, "
            f"not of {task.value}; remove it"
        )
    known = [name for name, tasks in TASKS_OF.items() if task in tasks]
    raise UsageError(f"training_parameters: {unknown_name('hyperparameter', key, known)}")
