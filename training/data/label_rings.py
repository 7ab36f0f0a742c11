"""Polygon rings of one label, as flat tuples (x1, y1, x2, y2, …) in ratios of the image's size."""

from collections.abc import Iterable, Sequence
from typing import Any

from training.data.label_values import ratio

LabelRing = tuple[float, ...]
_ALONG_EDGE = 0.05  # of the image's size; hand-drawn outlines do not lie on the edge exactly


def parse_rings(value: Any, *, place: str) -> tuple[LabelRing, ...]:
    """Read rings of at least three points; `place` is "label[0].polygon".

    A last point that repeats the first is left out, as is a stray first one: exporters put (0, 0)
    before the ring. Raises ValueError for what is no list of rings, for none, for fewer than three
    points and for coordinates that are no ratios.
    """
    if not isinstance(value, list) or not value:
        raise ValueError(f"{place} must hold at least one ring [x1, y1, x2, y2, …], got {value!r}")
    return tuple(_ring(ring, f"{place}[{index}]") for index, ring in enumerate(value))


def bounding_box(rings: Iterable[LabelRing]) -> tuple[float, float, float, float]:
    """(x1, y1, x2, y2) around all rings, of which there must be one."""
    every = tuple(rings)
    x_s = [x for ring in every for x in ring[::2]]
    y_s = [y for ring in every for y in ring[1::2]]
    return min(x_s), min(y_s), max(x_s), max(y_s)


def _ring(value: Any, place: str) -> LabelRing:
    if not isinstance(value, list):
        raise ValueError(f"{place} must be a ring [x1, y1, x2, y2, …], got {value!r}")
    if len(value) % 2:
        raise ValueError(f"{place} must hold pairs of x and y, got {len(value)} numbers")
    numbers = [ratio(item, place=f"{place}[{index}]") for index, item in enumerate(value)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if len(points) > 3 and _starts_with_a_stray_point(points):
        points.pop(0)
    if len(points) < 3:
        raise ValueError(f"{place} must have at least 3 points, got {len(points)}")
    return tuple(number for point in points for number in point)


def _starts_with_a_stray_point(points: Sequence[tuple[float, float]]) -> bool:
    """Whether the first point is (0, 0) and no corner of an object that fills the image's corner.

    The outline of such an object leaves the corner along the image's top edge and comes back along
    its left edge, or the other way round. A stray point has neighbours anywhere else.
    """
    if points[0] != (0.0, 0.0):
        return False
    (x_after, y_after), (x_before, y_before) = points[1], points[-1]
    along_edges = min(max(y_after, x_before), max(x_after, y_before)) <= _ALONG_EDGE
    return not along_edges
