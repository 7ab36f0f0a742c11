"""Labelled images for a card, and how well a server's answers fit their labels."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import yaml

from load_tests.errors import UsageError
from load_tests.payloads import MEDIA_TYPES, Photo

_Z = 1.96  # of a 95 % interval


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image file and its classes; `classes` is None where the label is one of objects."""

    path: Path
    classes: frozenset[str] | None

    def photo(self) -> Photo:
        """Read the file. Raises UsageError."""
        media_type = MEDIA_TYPES.get(self.path.suffix.lower(), "image/jpeg")
        try:
            return Photo(self.path.name, self.path.read_bytes(), media_type)
        except OSError as error:
            raise UsageError(f"--data: {self.path} cannot be read: {error.strerror}") from None


def read_labelled(source: Path, *, most: int) -> list[Labelled]:
    """Read a folder with a subfolder per class, a JSONL file, or a folder with an MLTable.

    Of more than `most` images, evenly spread ones. Raises UsageError when there are none.
    """
    if source.is_dir():
        table = source / "MLTable"
        found = _from_table(table) if table.is_file() else _from_folders(source)
    else:
        found = _from_lines(source)
    images = list(found)
    if not images:
        raise UsageError(f"--data {source} holds no labelled image")
    step = max(1.0, len(images) / most)
    return [images[int(turn * step)] for turn in range(min(most, len(images)))]


def interval(right: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, z2 = right / total, _Z**2
    middle = share + z2 / (2 * total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return (middle - half) / (1 + z2 / total), (middle + half) / (1 + z2 / total)


def top_1(answers: Sequence[Any], truths: Sequence[frozenset[str]]) -> int:
    """How many answers have their largest probability at the image's class."""
    return sum(_best(answer) in truth for answer, truth in zip(answers, truths, strict=True))


def all_right(answers: Sequence[Any], truths: Sequence[frozenset[str]], threshold: float) -> int:
    """How many answers name, at the threshold, just the image's classes."""
    return sum(
        {label for label, prob in _pairs(answer) if prob >= threshold} == truth
        for answer, truth in zip(answers, truths, strict=True)
    )


def _best(answer: Any) -> str:
    return max(_pairs(answer), key=lambda pair: pair[1])[0]


def _pairs(answer: Any) -> list[tuple[str, float]]:
    return list(zip(answer["labels"], answer["probs"], strict=True))


def _from_folders(folder: Path) -> Iterator[Labelled]:
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in MEDIA_TYPES:
            yield Labelled(path, frozenset([path.parent.name]))


def _from_table(table: Path) -> Iterator[Labelled]:
    """Read the `file`s of an MLTable; its transformations matter to training alone."""
    paths = (yaml.safe_load(table.read_text(encoding="utf-8")) or {}).get("paths", [])
    for entry in paths:
        if "file" not in entry:
            raise UsageError(f"{table}: only `file` is understood here, got {', '.join(entry)}")
        yield from _from_lines(table.parent / entry["file"])


def _from_lines(file: Path) -> Iterator[Labelled]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"--data {file} cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _record(line, file, number)


def _record(line: bytes, file: Path, number: int) -> Labelled:
    try:
        record = orjson.loads(line)
        url, label = str(record["image_url"]), record["label"]
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{file}, line {number}: no image_url and label ({error!r})") from None
    scheme, _, _ = url.rpartition("://")
    if scheme not in ("", "file"):
        raise UsageError(f"{file}, line {number}: image_url must be a local file, got {url}")
    path = unquote(urlsplit(url).path) if scheme else url
    names = label if isinstance(label, list) else [label]
    of_objects = any(isinstance(name, dict) for name in names)
    return Labelled(file.parent / path, None if of_objects else frozenset(map(str, names)))
