"""Labelled objects, which of them a detector has found, and the pixels that they cover."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import box_iou

from inference.polygons import fill_polygons
from inference.types import ObjectsFound

MATCHING_IOU = 0.5
_BOX_KEYS = ("topX", "topY", "bottomX", "bottomY")
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class LabelledObject:
    """box_xyxy and the rings of its polygons (x1, y1, x2, y2, …), as ratios of the image's sides.

    Without polygons there are no rings.
    """

    label: str
    box_xyxy: Box
    rings: tuple[tuple[float, ...], ...] = ()


def parse_objects(value: Any) -> tuple[LabelledObject, ...]:
    """Read a line's label: a list of objects with boxes or polygons; crowds are left out.

    Raises ValueError that names the object.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"label must be a list of objects with boxes or polygons, got {value!r}")
    return tuple(
        _object(item, f"label[{place}]")
        for place, item in enumerate(value)
        if str(item.get("isCrowd", 0)).lower() not in ("1", "true")
    )


def _object(item: dict[str, Any], place: str) -> LabelledObject:
    try:
        label = str(item["label"])
        if item.get("polygon"):
            rings = tuple(tuple(map(float, ring)) for ring in item["polygon"])
            points = np.concatenate([np.reshape(ring, (-1, 2)) for ring in rings])
            (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        else:
            rings = ()
            x1, y1, x2, y2 = (float(item[key]) for key in _BOX_KEYS)
    except KeyError as error:
        raise ValueError(f"{place}: {error.args[0]} is missing") from None
    except (TypeError, ValueError):
        raise ValueError(f"{place} must have numbers for {', '.join(_BOX_KEYS)} or rings") from None
    if not (x1 < x2 and y1 < y2):
        raise ValueError(f"{place} has no area: x {x1:g}…{x2:g}, y {y1:g}…{y2:g}")
    return LabelledObject(label, (x1, y1, x2, y2), rings)


def matches(
    found: ObjectsFound, objects: Sequence[LabelledObject]
) -> Iterator[tuple[int, LabelledObject]]:
    """Pair detections, by their places, with labelled objects of the same class.

    The highest score first takes the object that it overlaps most, by at least MATCHING_IOU; an
    object is taken once.
    """
    if not len(found.detections) or not objects:
        return
    height, width = found.size_hw
    boxes = np.array([item.box_xyxy for item in objects], np.float32)
    labelled = boxes * np.array([width, height, width, height], np.float32)
    overlap = box_iou(torch.from_numpy(found.detections.boxes_xyxy), torch.from_numpy(labelled))
    names = [found.labels[label_id] for label_id in found.detections.label_ids]
    free = torch.tensor([[name == item.label for item in objects] for name in names])
    for place in range(len(names)):
        candidates = overlap[place] * free[place]
        best = int(candidates.argmax())
        if candidates[best] >= MATCHING_IOU:
            free[:, best] = False
            yield place, objects[best]


def region(item: LabelledObject, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Mark the pixels of an image of `size_hw` inside the polygons, or the box if there are none.

    Of an object that is too small to hold a pixel's centre, the pixel at its middle.
    """
    x1, y1, x2, y2 = item.box_xyxy
    rings = item.rings or ((x1, y1, x2, y1, x2, y2, x1, y2),)
    sides = np.array(size_hw[::-1])
    mask = fill_polygons(
        [(np.reshape(ring, (-1, 2)) * sides).ravel() for ring in rings], size_hw=size_hw
    )
    if not mask.any():
        column, row = (np.array([x1 + x2, y1 + y2]) / 2 * sides).astype(int)
        mask[min(row, size_hw[0] - 1), min(column, size_hw[1] - 1)] = True
    return mask
