"""Objects: boxes and outlines that are none, that are too small to see, or that stand twice."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from inference.tiling import VISIBLE_PX
from training.data.doctor.findings import (
    Finding,
    Severity,
    Splits,
    counted_finding,
    dropped_example,
    every_record,
    example_of,
)
from training.data.doctor.sizes import ObjectSizes
from training.data.records import ObjectLabel, Record

TINY_PX = 2.0  # of the shorter side of a box
_DIGITS = 4  # of a ratio; boxes that agree so far are the same


def object_findings(splits: Splits, sizes: ObjectSizes | None) -> Iterator[Finding]:
    """Bad objects, tiny ones, ones that stand twice, and whether all are large enough to learn."""
    yield from counted_finding(
        "bad-objects",
        Severity.ERROR,
        "object",
        "cannot be used",
        "training leaves out the whole image of each: correct them; --fix drops the objects",
        [dropped_example(item) for split in splits.values() for item in split.bad_objects],
    )
    records = [record for _, record in every_record(splits)]
    yield from _of_objects(
        records,
        tiny_objects,
        "tiny-objects",
        f"under {TINY_PX:g} pixels wide or high",
        "nothing can be learned from them, often they are slips of the mouse; --fix drops them",
    )
    yield from _of_objects(
        records,
        lambda record: repeated_objects(record, same_class=True),
        "repeated-objects",
        "with the very box and class of another in the image",
        "the model learns to see things twice; --fix keeps one of each",
    )
    yield from _of_objects(
        records,
        lambda record: repeated_objects(record, same_class=False),
        "contradicting-objects",
        "with the very box of another in the image, but another class",
        "decide which class is right",
    )
    if sizes is not None and sizes.grid is not None:
        yield _small(sizes)


def tiny_objects(record: Record) -> list[ObjectLabel]:
    """Objects of which one side is under two pixels; none where the size is not known."""
    height, width = record.size_hw or (np.inf, np.inf)
    return [
        item
        for item in record.objects
        for x1, y1, x2, y2 in [item.box]
        if min((x2 - x1) * width, (y2 - y1) * height) < TINY_PX
    ]


def repeated_objects(record: Record, *, same_class: bool) -> list[ObjectLabel]:
    """Objects after the first of a box, which have its class, or another; crowds do not count."""
    classes: defaultdict[tuple[float, ...], list[str]] = defaultdict(list)
    found = []
    for item in record.objects:
        if item.is_crowd:
            continue
        seen = classes[tuple(round(number, _DIGITS) for number in item.box)]
        if seen and (item.label in seen) is same_class:
            found.append(item)
        seen.append(item.label)
    return found


def _of_objects(
    records: Sequence[Record],
    choose: Callable[[Record], list[ObjectLabel]],
    code: str,
    title: str,
    advice: str,
) -> Iterator[Finding]:
    examples = [
        example_of(record, _text(item, record), [item.box])
        for record in records
        for item in choose(record)
    ]
    yield from counted_finding(code, Severity.WARNING, "object", title, advice, examples)


def _text(item: ObjectLabel, record: Record) -> str:
    height, width = record.size_hw or (0, 0)
    x1, y1, x2, y2 = item.box
    wide, high = (x2 - x1) * width, (y2 - y1) * height
    return f"{item.label!r} at x {x1:.4g}, y {y1:.4g}, {wide:.1f}×{high:.1f} pixels"


def _small(sizes: ObjectSizes) -> Finding:
    canvas = sizes.canvas
    seen = float(np.percentile(sizes.sides_canvas_px, 10))
    columns, rows = sizes.grid or (1, 1)
    larger = f", or {canvas.setting}: {sizes.side} (from {canvas.side})" if sizes.side else ""
    return Finding(
        "small-objects",
        Severity.WARNING,
        f"one object in ten has less than {seen:.0f} pixels on the canvas of {canvas.model_name}",
        f"from {VISIBLE_PX:g} pixels on they are found well: set tile_grid_size: "
        f'"{columns}x{rows}"{larger}',
        (),
    )
