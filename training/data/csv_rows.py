"""A CSV file of images and labels, row by row."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.errors import UsageError
from training.data.records import Label

_DELIMITERS = (",", ";", "\t")  # spreadsheets of some countries write the second


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row: `where` is "file.csv:3", `label` a name ("" if empty) or any number of names."""

    where: str
    image: str
    label: Label


def read_csv_rows(
    path: Path, *, image_column: str, label_column: str, separator: str | None
) -> Iterator[CsvRow]:
    """Yield the rows below the header, blank ones left out; the delimiter is found by itself.

    Several names per row, split at `separator` or from several columns named `label_column`, give
    a tuple. Raises UsageError when the file cannot be read or lacks a column.
    """
    lines = _lines(path)
    header, delimiter = _header(lines, path, (image_column, label_column))
    image_at = header.index(image_column)
    labels_at = [index for index, name in enumerate(header) if name == label_column]
    for number, row in _numbered(lines, delimiter, path):
        cells = [cell.strip() for cell in row] + [""] * (len(header) - len(row))
        if any(cells):
            label = _label([cells[index] for index in labels_at], separator)
            yield CsvRow(f"{path}:{number}", cells[image_at], label)


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.readlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _header(lines: Sequence[str], path: Path, needed: Sequence[str]) -> tuple[list[str], str]:
    """Return the column names and the delimiter that brings out the needed ones."""
    for delimiter in _DELIMITERS:
        header = [cell.strip() for cell in next(csv.reader(lines, delimiter=delimiter), [])]
        if set(needed) <= set(header):
            return header, delimiter
    found = lines[0].strip() if lines else "nothing"
    raise UsageError(
        f"{path}: the first line must name the columns {' and '.join(map(repr, needed))}, "
        f"got {found!r}; choose other columns if yours have other names"
    )


def _numbered(lines: Sequence[str], delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of every row below the header."""
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        next(reader)
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: not valid CSV: {error}") from None


def _label(cells: Sequence[str], separator: str | None) -> Label:
    if separator is None and len(cells) == 1:
        return cells[0]
    names = [name for cell in cells for name in (cell.split(separator) if separator else [cell])]
    return tuple(sorted({name.strip() for name in names} - {""}))
