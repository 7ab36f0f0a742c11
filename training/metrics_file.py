"""metrics.jsonl: one row per epoch, readable while it grows, repaired after a crash."""

import json
from pathlib import Path

from inference.files import write_text_atomically

Row = dict[str, float]


class MetricsFile:
    """Rows of metrics; each has at least "epoch", counted from 0."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, row: Row) -> None:
        """Add one row."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[Row]:
        """Return all complete rows; a last line that a crash cut short is left out."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def keep_before(self, epoch: int) -> None:
        """Drop the rows of `epoch` and later ones."""
        kept = [json.dumps(row) + "\n" for row in self.rows() if row["epoch"] < epoch]
        write_text_atomically(self._path, "".join(kept))
