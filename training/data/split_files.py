"""The two splits as a run keeps them: one record per line, so that a resumed run sees the same."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.files import write_text_atomically
from training.data.records import Label, ObjectLabel, Record
from training.data.remote_images import RemoteImage


def write_split(path: Path, records: Iterable[Record]) -> None:
    """Write records with absolute paths or URLs of images, without hashes, one object per line."""
    lines = [json.dumps(_row(record)) for record in records]
    write_text_atomically(path, "".join(f"{line}\n" for line in lines))


def read_split(path: Path) -> list[Record]:
    """Read what write_split wrote."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [_record(row) for row in rows]


def _row(record: Record) -> dict[str, Any]:
    image = record.image
    return {
        "image": str(image),
        **({"version": image.version} if isinstance(image, RemoteImage) else {}),
        "label": _plain(record.label),
        "where": record.where,
        "size_hw": record.size_hw,
    }


def _record(row: dict[str, Any]) -> Record:
    size = row.get("size_hw")  # runs of before there were objects do not have it
    size_hw = None if size is None else (size[0], size[1])
    remote = RemoteImage(row["image"], row["version"]) if "version" in row else None
    image = remote or Path(row["image"])
    return Record(image, _label(row["label"]), row["where"], size_hw=size_hw)


def _plain(label: Label) -> Any:
    if isinstance(label, str):
        return label
    return [item if isinstance(item, str) else asdict(item) for item in label]


def _label(value: Any) -> Label:
    if isinstance(value, str):
        return value
    if all(isinstance(item, str) for item in value):
        return tuple(value)
    return tuple(_object(**item) for item in value)


def _object(
    label: str, box: list[float], is_crowd: bool, polygons: list[list[float]]
) -> ObjectLabel:
    x1, y1, x2, y2 = box
    return ObjectLabel(label, (x1, y1, x2, y2), is_crowd, tuple(map(tuple, polygons)))
