"""The label of a JSON line, by task."""

from collections.abc import Callable
from typing import Any

from inference.errors import UsageError
from inference.types import Task
from training.data.label_values import class_name
from training.data.object_labels import parse_boxes, parse_polygons
from training.data.records import Label

_MULTICLASS = 'task: image_classification, "label": "cat"'
_MULTILABEL = 'task: image_classification_multilabel, "label": ["cat", "dog"]'


def parse_class(value: Any) -> Label:
    """Read the label of multi-class classification.

    Raises ValueError for a value that is no label, UsageError for the label of another task.
    """
    _refuse_boxes(value)
    if isinstance(value, list):
        raise UsageError(
            f"a list of labels in a multi-class job, got {value!r}: this is a multi-label data "
            f"set ({_MULTILABEL})"
        )
    return class_name(value, place="label")


def parse_classes(value: Any) -> Label:
    """Read the labels of multi-label classification: sorted, each once; none is allowed.

    An image without any class is a negative for all of them. A single name stands for a list of
    one. Raises ValueError for values that are no labels, UsageError for labels of another task.
    """
    _refuse_boxes(value)
    names = value if isinstance(value, list) else [value]
    return tuple(sorted({class_name(name, place="label") for name in names}))


PARSERS: dict[Task, Callable[[Any], Label]] = {
    Task.CLASSIFICATION: parse_class,
    Task.MULTILABEL: parse_classes,
    Task.DETECTION: parse_boxes,
    Task.SEGMENTATION: parse_polygons,
}


def _refuse_boxes(value: Any) -> None:
    if isinstance(value, dict) or (isinstance(value, list) and any(_is_object(v) for v in value)):
        raise UsageError(
            "labels of a detection data set in a classification job; use task: "
            "image_object_detection or image_instance_segmentation, or labels without boxes "
            f"({_MULTICLASS})"
        )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
