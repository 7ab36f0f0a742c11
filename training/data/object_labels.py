"""The labels of detection and instance segmentation, as JSON lines hold them."""

from dataclasses import replace
from typing import Any

from inference.errors import UsageError
from training.data.label_rings import LabelRing, bounding_box, parse_rings
from training.data.label_values import class_name, flag, ratio
from training.data.records import ObjectLabel

_BOX_KEYS = ("topX", "topY", "bottomX", "bottomY")
_EXAMPLE = '"label": [{"label": "cat", "topX": 0.1, "topY": 0.1, "bottomX": 0.4, "bottomY": 0.5}]'


def parse_boxes(value: Any) -> tuple[ObjectLabel, ...]:
    """Read the label of object detection: a list of objects, or one; none is a negative image.

    An object without a box but with polygons, from a segmentation data set, gets their bounding
    box. Polygons are not kept. Raises ValueError that names object, key and value for an object
    that is none, UsageError for the label of a classification task.
    """
    return tuple(_boxed(item, place) for place, item in _objects(value))


def parse_polygons(value: Any) -> tuple[ObjectLabel, ...]:
    """Read the label of instance segmentation; boxes follow from the polygons.

    Raises as parse_boxes does, and UsageError for objects that have boxes only.
    """
    objects = _objects(value)
    outlined = any(item.get("polygon") is not None for _, item in objects)
    if not outlined and any(_has_box(item) for _, item in objects):
        raise UsageError(
            "labels with boxes but without polygons in a segmentation job: this is a detection "
            "data set (task: image_object_detection)"
        )
    return tuple(_outlined(item, place) for place, item in objects)


def object_json(item: ObjectLabel) -> dict[str, Any]:
    """Return the JSON of one object: polygons where there are any, else the box.

    No ring starts at (0, 0), which readers may take for a stray point.
    """
    start: dict[str, Any] = {"label": item.label, "isCrowd": int(item.is_crowd)}
    if item.polygons:
        return {**start, "polygon": [_not_from_origin(ring) for ring in item.polygons]}
    return {**start, **dict(zip(_BOX_KEYS, item.box, strict=True))}


def _not_from_origin(ring: LabelRing) -> list[float]:
    return [*ring[2:], *ring[:2]] if ring[:2] == (0.0, 0.0) else list(ring)


def _objects(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Pairs of (place, object)."""
    items = value if isinstance(value, list) else [value]
    if items and all(map(_is_class_name, items)):
        raise UsageError(
            f"labels of a classification data set in a detection or segmentation job, got "
            f"{value!r}; use task: image_classification or image_classification_multilabel, or "
            f"labels with boxes ({_EXAMPLE})"
        )
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise ValueError(f"label[{index}] must be an object with a box, got {item!r}")
    return [(f"label[{index}]", item) for index, item in enumerate(items)]


def _is_class_name(value: Any) -> bool:
    try:
        class_name(value, place="label")
    except ValueError:
        return False
    return True


def _boxed(item: dict[str, Any], place: str) -> ObjectLabel:
    if not _has_box(item) and "polygon" in item:
        return replace(_outlined(item, place), polygons=())
    name, is_crowd = _name_and_crowd(item, place)
    return ObjectLabel(name, _box(item, place), is_crowd)


def _outlined(item: dict[str, Any], place: str) -> ObjectLabel:
    name, is_crowd = _name_and_crowd(item, place)
    rings = parse_rings(_value(item, "polygon", place), place=f"{place}.polygon")
    x1, y1, x2, y2 = box = bounding_box(rings)
    if x2 <= x1 or y2 <= y1:
        raise ValueError(f"{place}.polygon has no area, it spans x {x1:g}…{x2:g}, y {y1:g}…{y2:g}")
    return ObjectLabel(name, box, is_crowd, rings)


def _name_and_crowd(item: dict[str, Any], place: str) -> tuple[str, bool]:
    name = class_name(_value(item, "label", place), place=f"{place}.label")
    return name, flag(item.get("isCrowd"), place=f"{place}.isCrowd")


def _box(item: dict[str, Any], place: str) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (ratio(_value(item, key, place), place=f"{place}.{key}") for key in _BOX_KEYS)
    if x2 <= x1:
        raise ValueError(f"{place}.bottomX must be over topX, got topX {x1:g}, bottomX {x2:g}")
    if y2 <= y1:
        raise ValueError(f"{place}.bottomY must be over topY, got topY {y1:g}, bottomY {y2:g}")
    return x1, y1, x2, y2


def _has_box(item: dict[str, Any]) -> bool:
    return any(item.get(key) is not None for key in _BOX_KEYS)


def _value(item: dict[str, Any], key: str, place: str) -> Any:
    if key not in item:
        raise ValueError(
            f"{place}.{key} is missing (the object has: {', '.join(item) or 'nothing'})"
        )
    return item[key]
