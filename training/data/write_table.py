"""A table of labelled images written: JSON lines, with an MLTable beside them if asked."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from inference.files import write_text_atomically
from training.data.mltable import MLTABLE
from training.data.remote_images import RemoteImage

_NAME = "annotations.jsonl"
_MLTABLE_TEXT = """\
type: mltable
paths:
  - file: ./{name}
transformations:
  - read_json_lines:
      encoding: utf8
      invalid_lines: drop
      include_path_column: false
  - convert_column_types:
      - columns: image_url
        column_type: stream_info
"""


def write_table(output: Path, rows: Iterable[tuple[Path, Any]], *, name: str = _NAME) -> Path:
    """Write (image, label) pairs as write_rows does."""
    return write_rows(
        output, ((image, {"image_url": "", "label": label}) for image, label in rows), name=name
    )


def write_rows(
    output: Path, rows: Iterable[tuple[Path | RemoteImage, Mapping[str, Any]]], *, name: str = _NAME
) -> Path:
    """Write images with the other keys of their lines and return the path of the JSON lines.

    An `output` that ends in .jsonl is that file; any other is a folder that gets the lines as
    `name` and an MLTable. Images stay where they are and are named relative to the JSON lines.
    Raises UsageError when `output` cannot be written.
    """
    jsonl = output if output.suffix == ".jsonl" else output / name
    make_folder(jsonl.parent)
    try:
        write_text_atomically(jsonl, "".join(_line(*row, jsonl.parent) for row in rows))
        if jsonl != output:
            write_text_atomically(output / MLTABLE, _MLTABLE_TEXT.format(name=name))
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or output}: {error.strerror}") from None
    return jsonl


def make_folder(path: Path) -> None:
    """Make a folder and its parents. Raises UsageError where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from None


def written_files(output: Path) -> tuple[Path, ...]:
    """The files that write_rows makes of an `output`, under the usual name."""
    return (output,) if output.suffix == ".jsonl" else (output / _NAME, output / MLTABLE)


def _line(image: Path | RemoteImage, row: Mapping[str, Any], folder: Path) -> str:
    if isinstance(image, RemoteImage):
        url = image.url
    else:
        url = Path(os.path.relpath(image.absolute(), folder.absolute())).as_posix()
    return json.dumps({**row, "image_url": url}, ensure_ascii=False) + "\n"
