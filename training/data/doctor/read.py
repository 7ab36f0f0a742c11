"""A table read as the doctor reads it: every line is kept, and good objects beside bad ones."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from inference.types import Task
from training.data.check_images import Progress, check_images
from training.data.doctor.findings import BadObject, Split
from training.data.jsonl import lines, read_line
from training.data.labels import PARSERS
from training.data.locations import find_image
from training.data.mltable import Table, open_table
from training.data.records import Dropped, Record


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: its text, its record or why there is none, and its bad objects."""

    text: str
    record: Record | Dropped
    unreadable: bool = False
    bad_objects: tuple[BadObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table and all of its lines."""

    table: Table
    lines: tuple[Line, ...]

    def split(self) -> Split:
        """What the lines hold, sorted by what can be done with it."""
        rows = [(line.record, line.unreadable) for line in self.lines]
        return Split(
            records=tuple(row for row, _ in rows if isinstance(row, Record)),
            unreadable=tuple(row for row, bad in rows if isinstance(row, Dropped) and bad),
            bad_lines=tuple(row for row, bad in rows if isinstance(row, Dropped) and not bad),
            bad_objects=tuple(item for line in self.lines for item in line.bad_objects),
        )


def read_sheet(
    location: Path,
    *,
    task: Task,
    label_key: str,
    datastores: Mapping[str, str],
    progress: Progress | None = None,
) -> Sheet:
    """Read one table and every image in it, `invalid_lines: error` or not.

    Raises UsageError for what is no table, and for labels of another task.
    """
    table = open_table(location, datastores=datastores)
    found = [
        _line(text, where, path.parent, task, label_key, datastores)
        for path in table.files
        for where, text in lines(path, table.encoding)
    ]
    checked = check_images([line.record for line in found], progress=progress)
    return Sheet(
        table,
        tuple(
            Line(line.text, row, isinstance(line.record, Record), line.bad_objects)
            for line, row in zip(found, checked, strict=True)
        ),
    )


def task_of(location: Path, *, label_key: str, datastores: Mapping[str, str]) -> Task:
    """Tell a table's task from its first label. Raises UsageError where there is none to go by."""
    table = open_table(location, datastores=datastores)
    for path in table.files:
        for _, text in lines(path, table.encoding):
            label = _row(text).get(label_key)
            items = label if isinstance(label, list) else [label]
            if items and items[0] is not None:
                return _task(label, items[0])
    raise UsageError(
        f"{location}: no line has a label under {label_key!r} to tell the task from; give --task "
        "or --label-key"
    )


def _task(label: Any, item: Any) -> Task:
    if isinstance(item, dict):
        return Task.SEGMENTATION if item.get("polygon") is not None else Task.DETECTION
    return Task.MULTILABEL if isinstance(label, list) else Task.CLASSIFICATION


def _line(
    text: str,
    where: str,
    folder: Path,
    task: Task,
    label_key: str,
    datastores: Mapping[str, str],
) -> Line:
    def read(text: str) -> Record | Dropped:
        return read_line(
            text,
            where,
            label_key=label_key,
            parse_label=PARSERS[task],
            find_image=lambda url: find_image(url, folder, datastores=datastores),
        )

    record = read(text)
    row = _row(text)
    if isinstance(record, Record) or not isinstance(row.get(label_key), list | dict):
        return Line(text, record)
    good, reasons = _sifted(row[label_key], task)
    without = read(json.dumps({**row, label_key: good}))
    if not reasons or isinstance(without, Dropped):
        return Line(text, record)  # it is not, or not only, for its objects
    image = str(without.image)
    return Line(text, without, bad_objects=tuple(BadObject(where, image, r) for r in reasons))


def _sifted(label: Any, task: Task) -> tuple[list[Any], list[str]]:
    """The objects that can be read, and why the others cannot."""
    good, reasons = [], []
    for index, item in enumerate(label if isinstance(label, list) else [label]):
        try:
            PARSERS[task]([item])
            good.append(item)
        except (ValueError, UsageError) as error:
            reasons.append(f"label[{index}]{str(error).removeprefix('label[0]')}")
    return good, reasons


def _row(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
