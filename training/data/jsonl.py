"""The lines of a JSON-lines file as labelled images, one by one, each with the place it is at."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from training.data.records import Dropped, Label, Record
from training.data.remote_images import RemoteImage

ParseLabel = Callable[[Any], Label]  # raises ValueError for a value that is no label
# image_url, folder of the JSONL file → image
FindImage = Callable[[str, Path], Path | RemoteImage]


def read_records(
    path: Path, *, encoding: str, label_key: str, parse_label: ParseLabel, find_image: FindImage
) -> Iterator[Record | Dropped]:
    """Yield each line's record, or why it cannot be one; blank lines do not count.

    Images are not looked at yet. Raises UsageError when the file cannot be read
    in this encoding, and whatever UsageError the two functions raise, with the line before it.
    """
    for where, line in lines(path, encoding):
        yield read_line(
            line,
            where,
            label_key=label_key,
            parse_label=parse_label,
            find_image=lambda url: find_image(url, path.parent),
        )


def read_line(
    line: str,
    where: str,
    *,
    label_key: str,
    parse_label: ParseLabel,
    find_image: Callable[[str], Path | RemoteImage],
) -> Record | Dropped:
    """Read one line, as read_records does."""
    image = ""
    try:
        row = _object(line)
        image = _image_url(row)
        found = find_image(image)
        return Record(found, parse_label(_value(row, label_key)), where)
    except ValueError as error:
        return Dropped(where, image, str(error))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def lines(path: Path, encoding: str) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every line that is not blank.

    Raises UsageError when the file cannot be read in this encoding. Only line feeds end a line:
    U+2028 and its like, which str.splitlines splits at, may stand in a JSON string.
    """
    text = _decoded(path, encoding)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def _decoded(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
        return data.decode(encoding)
    except UnicodeError as error:
        line = data[: error.start].count(b"\n") + 1 if isinstance(error, UnicodeDecodeError) else 1
        raise UsageError(
            f"{path}:{line}: not {encoding.removesuffix('-sig')} text; save the file as UTF-8, or "
            "name its encoding in MLTable (read_json_lines: {encoding: latin1})"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("not valid JSON: nested too deeply") from None
    if not isinstance(row, dict):
        raise ValueError(f"must be a JSON object, got {type(row).__name__}")
    if "\\ud" in line.lower():
        _refuse_half_characters(row)
    return row


def _refuse_half_characters(row: dict[str, Any]) -> None:
    """JSON can escape half of a surrogate pair, which no file can hold and no terminal show."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair (\\ud800…\\udfff), not a text") from None


def _image_url(row: dict[str, Any]) -> str:
    url = _value(row, "image_url")
    if not isinstance(url, str) or not url.strip():
        raise ValueError(f"image_url must be a text that is not empty, got {url!r}")
    return url.strip()


def _value(row: dict[str, Any], key: str) -> Any:
    if key not in row:
        raise ValueError(f"{key} is missing (the line has: {', '.join(row) or 'nothing'})")
    return row[key]
