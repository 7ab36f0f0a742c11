"""Files of a folder run: which images there are, which are done, and lines that survive a kill."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from inference.errors import UsageError
from inference.image import SUFFIXES
from inference.responses import dump_json


def find_images(folder: Path) -> list[str]:
    """List the image files below `folder` by their path relative to it, sorted.

    Hidden files and folders are left out, links to folders are not followed.
    """
    if not folder.is_dir():
        raise UsageError(f"folder {folder} does not exist")
    names = []
    for root, folders, files in os.walk(folder, onerror=_cannot_list):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if is_image_name(name):
                names.append((Path(root) / name).relative_to(folder).as_posix())
    return sorted(names)


def is_image_name(name: str) -> bool:
    """Whether a path ends as that of an image, and is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _cannot_list(error: OSError) -> None:
    raise UsageError(f"cannot list folder {error.filename}: {error.strerror}")


def shown(name: str) -> str:
    """Spell a file name as JSON can hold it: bytes that are no UTF-8 become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_done(output: Path, labels: tuple[str, ...]) -> set[str]:
    """Return the file names that `output` holds a line for, and cut off a half-written last line.

    Raises UsageError when the file holds something else, or scores of a model with other labels.
    """
    if not output.exists():
        if not output.parent.is_dir():
            raise UsageError(f"folder {output.parent} for the output does not exist")
        return set()
    _cut_half_line(output)
    return {_filename(*numbered, output, labels) for numbered in _numbered_lines(output)}


def _cut_half_line(output: Path) -> None:
    with output.open("r+b") as file:
        data_length = file.seek(0, os.SEEK_END)
        end = _end_of_last_line(file, data_length)
        if end < data_length:
            file.truncate(end)


def _end_of_last_line(file: BinaryIO, length: int, *, block: int = 1 << 16) -> int:
    """Return how many bytes belong to whole lines; reads from the end, for lines may be long."""
    while length > 0:
        begin = max(0, length - block)
        file.seek(begin)
        newline = file.read(length - begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        length = begin
    return 0


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def _filename(number: int, line: bytes, output: Path, labels: tuple[str, ...]) -> str:
    try:
        record = orjson.loads(line)
        name, scored = record["filename"], _labels_in(record)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UsageError(
            f"{output}:{number} is no prediction; delete the file or choose another --output"
        ) from None
    is_ours = set(scored) <= set(labels) if "boxes" in record else scored == labels
    if not is_ours:
        raise UsageError(
            f"{output}:{number} holds scores of another model, with labels {', '.join(scored)}; "
            "choose another --output"
        )
    return str(name)


def _labels_in(record: dict[str, Any]) -> tuple[str, ...]:
    """All labels of a classifier, or those that a detector found."""
    if "boxes" in record:
        return tuple(box["label"] for box in record["boxes"])
    return tuple(record["labels"])


class JsonLines:
    """A file that whole lines of JSON are appended to, each handed to the system at once.

    The file is made with its first line; a file that gets none is not made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None

    def write(self, record: dict[str, Any]) -> None:
        """Append one record. Raises OSError."""
        if self._file is None:
            self._file = self.path.open("ab")
        self._file.write(dump_json(record) + b"\n")
        self._file.flush()
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
