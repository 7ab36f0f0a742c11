"""The two splits as a run keeps them: one record per line, so that a resumed run sees the same."""

import json
from collections.abc import Iterable
from pathlib import Path

from inference.files import write_text_atomically
from training.data.records import Record


def write_split(path: Path, records: Iterable[Record]) -> None:
    """Write records with absolute image paths, one JSON object per line."""
    lines = [
        json.dumps({"image": str(r.image), "label": r.label, "where": r.where}) for r in records
    ]
    write_text_atomically(path, "".join(f"{line}\n" for line in lines))


def read_split(path: Path) -> list[Record]:
    """Read what write_split wrote."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Record(
            image=Path(row["image"]),
            label=row["label"] if isinstance(row["label"], str) else tuple(row["label"]),
            where=row["where"],
        )
        for row in rows
    ]
