"""Images to measure explanations on: a folder of them, or Azure's JSON lines with objects."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from inference.errors import UsageError
from inference.folder_files import find_images
from xai.quality.objects import LabelledObject, parse_objects


@dataclass(frozen=True, slots=True)
class Example:
    """An image file and, for detectors, what is in it."""

    path: Path
    objects: tuple[LabelledObject, ...] = ()


def read_examples(location: Path, *, with_objects: bool) -> list[Example]:
    """Read a JSONL file or list a folder of images; whether the images can be read is seen later.

    with_objects: the labels are boxes or polygons and are wanted, which a folder cannot hold.
    Raises UsageError that names the file and the line.
    """
    if location.is_dir():
        return _from_folder(location, with_objects=with_objects)
    try:
        lines = location.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{location} must be JSON lines in UTF-8, or a folder of images") from None
    except OSError as error:
        raise UsageError(f"cannot read {location}: {error.strerror}") from None
    examples = [
        _read_line(line, f"{location}:{number}", location.parent, with_objects=with_objects)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not examples:
        raise UsageError(f"{location} has no lines")
    return examples


def spread(examples: Sequence[Example], *, most: int) -> list[Example]:
    """Choose at most `most`, evenly spread: files are often sorted by class."""
    count = min(most, len(examples))
    return [examples[place * len(examples) // count] for place in range(count)]


def _from_folder(folder: Path, *, with_objects: bool) -> list[Example]:
    if with_objects:
        raise UsageError(
            f"{folder} is a folder, and a detector is measured on labelled objects: "
            "give a .jsonl file with boxes or polygons"
        )
    names = find_images(folder)
    if not names:
        raise UsageError(f"no images in folder {folder}; give one that has some, or a .jsonl file")
    return [Example(folder / name) for name in names]


def _read_line(line: str, where: str, folder: Path, *, with_objects: bool) -> Example:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"must be a JSON object, got {type(row).__name__}")
        path = _image_path(row.get("image_url"), folder)
        return Example(path, parse_objects(row.get("label")) if with_objects else ())
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}: not valid JSON: {error.msg}, column {error.colno}") from None
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _image_path(url: Any, folder: Path) -> Path:
    """Relative to the file's folder, absolute, or file:///…"""
    if not isinstance(url, str) or not url.strip():
        raise ValueError(f"image_url must be a text that is not empty, got {url!r}")
    url = url.strip()
    if url.lower().startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    if "://" in url:
        raise ValueError(f"image_url {url} is remote; download the images and name their paths")
    as_written = folder / url
    return as_written if as_written.exists() else folder / unquote(url)
