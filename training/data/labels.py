"""The label of a JSON line, by task. Numbers are names too: 3 and "3" are one class."""

import math
from typing import Any

from inference.errors import UsageError
from inference.types import Task
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
    return _class_name(value)


def parse_classes(value: Any) -> Label:
    """Read the labels of multi-label classification: sorted, each once; none is allowed.

    An image without any class is a negative for all of them. A single name stands for a list of
    one. Raises ValueError for values that are no labels, UsageError for labels of another task.
    """
    _refuse_boxes(value)
    names = value if isinstance(value, list) else [value]
    return tuple(sorted({_class_name(name) for name in names}))


PARSERS = {Task.CLASSIFICATION: parse_class, Task.MULTILABEL: parse_classes}


def _refuse_boxes(value: Any) -> None:
    if isinstance(value, dict) or (isinstance(value, list) and any(_is_object(v) for v in value)):
        raise UsageError(
            "labels of a detection data set in a classification job; use task: "
            "image_object_detection or image_instance_segmentation, or labels without boxes "
            f"({_MULTICLASS})"
        )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _class_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError(f"label must be a name or a number, got {value!r}")
