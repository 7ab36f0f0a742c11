"""A cleaned copy of the tables; what was read is never written to."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from training.data.doctor.copies import copies_across, copies_within
from training.data.doctor.objects import repeated_objects, tiny_objects
from training.data.doctor.read import Line, Sheet
from training.data.object_labels import object_json
from training.data.records import Record
from training.data.write_table import write_rows, written_files


@dataclass(frozen=True, slots=True)
class Fixed:
    """One table that was written: where, how many images it has, and what was left out, counted."""

    path: Path
    images: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """A line to write: its keys and its record without the objects that are dropped."""

    keys: dict[str, Any]
    record: Record


def write_fixed(sheets: Mapping[str, Sheet], output: Path, *, label_key: str) -> list[Fixed]:
    """Write every table without what can be dropped safely: the first to `output`, then others.

    clean.jsonl is followed by clean-validation.jsonl, a folder clean/ by clean-validation/. Keys
    other than image and label are kept. Raises UsageError where a table would be overwritten.
    """
    outputs = [_beside(output, name if at else "") for at, name in enumerate(sheets)]
    for target in outputs:
        _refuse_inputs(target, sheets.values())
    counts = [Counter[str]() for _ in sheets]
    tables = [
        _without_duplicates(_cleaned(sheet.lines, label_key, count), count)
        for sheet, count in zip(sheets.values(), counts, strict=True)
    ]
    if len(tables) == 2:
        train, validation = tables
        tables[0] = _without_leaks(train, validation, counts[0])
    return [
        Fixed(write_rows(target, [(row.record.image, row.keys) for row in rows]), len(rows), count)
        for target, rows, count in zip(outputs, tables, counts, strict=True)
    ]


def _cleaned(lines: Sequence[Line], label_key: str, left_out: Counter[str]) -> list[_Row]:
    """The usable lines, without their bad objects; counts what is left out."""
    rows = []
    for line in lines:
        if not isinstance(line.record, Record):
            left_out["unreadable images" if line.unreadable else "bad lines"] += 1
            continue
        row = _row(line, line.record, label_key, left_out)
        if row.record.objects or not (line.record.objects or line.bad_objects):
            rows.append(row)
        else:  # as an image of nothing it would teach to overlook what is on it
            left_out["images without an object left"] += 1
    return rows


def _row(line: Line, record: Record, label_key: str, left_out: Counter[str]) -> _Row:
    tiny = tiny_objects(record)
    seen = replace(record, label=tuple(item for item in record.objects if item not in tiny))
    repeated = repeated_objects(seen, same_class=True)
    left_out["bad objects"] += len(line.bad_objects)
    left_out["tiny objects"] += len(tiny)
    left_out["repeated objects"] += len(repeated)
    keys = json.loads(line.text)
    if not (tiny or repeated or line.bad_objects):
        return _Row(keys, record)
    dropped = {id(item) for item in repeated}  # of two equal objects one stays
    kept = tuple(item for item in seen.objects if id(item) not in dropped)
    keys[label_key] = [object_json(item) for item in kept]
    return _Row(keys, replace(record, label=kept))


def _without_duplicates(rows: Sequence[_Row], left_out: Counter[str]) -> list[_Row]:
    copies = copies_within([row.record for row in rows])
    extra = {copy.record.where for copy in copies if copy.exact and copy.same_label}
    left_out["exact duplicates"] += len(extra)
    return [row for row in rows if row.record.where not in extra]


def _without_leaks(
    train: Sequence[_Row], validation: Sequence[_Row], left_out: Counter[str]
) -> list[_Row]:
    leaks = copies_across([row.record for row in train], [row.record for row in validation])
    places = {copy.record.where for copy in leaks}
    left_out["images that validation has, too"] += len(places)
    return [row for row in train if row.record.where not in places]


def _beside(output: Path, name: str) -> Path:
    return output.with_name(f"{output.stem}-{name}{output.suffix}") if name else output


def _refuse_inputs(target: Path, sheets: Iterable[Sheet]) -> None:
    inputs = {p.resolve() for s in sheets for p in (*s.table.files, s.table.source)}
    for path in written_files(target):
        if path.resolve() in inputs:
            raise UsageError(f"--fix {target} would overwrite {path}, which is read; name another")
