"""Names of hyperparameters: both vocabularies, `advanced_settings`, and names of other tasks."""

import json
from collections.abc import Mapping
from typing import Any

from inference.errors import UsageError
from inference.names import job_name, unknown_name
from inference.types import Task
from training.hyperparameter_schema import Hyperparameters

_ADVANCED = ("stream_image_files", "apply_mosaic_for_yolo", "apply_automl_train_augmentations")
_DETECTORS = "image_object_detection and image_instance_segmentation"
_YOLO = "image_object_detection (yolov5)"
_SEGMENTERS = "image_instance_segmentation"
# Names that belong to other tasks than classification, and to which.
_OTHER_TASKS: Mapping[str, str] = {
    "box_detections_per_image": _DETECTORS,
    "box_score_threshold": _DETECTORS,
    "export_as_image": _SEGMENTERS,
    "image_size": _YOLO,
    "image_type": _SEGMENTERS,
    "mask_pixel_score_threshold": _SEGMENTERS,
    "max_number_of_polygon_points": _SEGMENTERS,
    "max_size": _DETECTORS,
    "min_size": _DETECTORS,
    "model_size": _YOLO,
    "multi_scale": _YOLO,
    "nms_iou_threshold": _DETECTORS,
    "tile_grid_size": _DETECTORS,
    "tile_overlap_ratio": _DETECTORS,
    "tile_predictions_nms_threshold": _DETECTORS,
    "validation_iou_threshold": _DETECTORS,
    "validation_metric_type": _DETECTORS,
}
ALL_NAMES = frozenset({*Hyperparameters.model_fields, *_OTHER_TASKS, "advanced_settings"})


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
    if name in Hyperparameters.model_fields:
        return
    if name in _OTHER_TASKS:
        raise UsageError(
            f"training_parameters: {key} is a hyperparameter of {_OTHER_TASKS[name]}, "
            f"not of {task.value}; remove it"
        )
    problem = unknown_name("hyperparameter", key, Hyperparameters.model_fields)
    raise UsageError(f"training_parameters: {problem}")
