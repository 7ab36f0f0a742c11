"""How long a job has been worked on, over all its interruptions."""

import time
from pathlib import Path

from inference.files import read_json
from training.runs import write_json

_SAVE_SECONDS = 2.0


class Clock:
    """Counts seconds, on from what `path` says, and saves them every other second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = float(read_json(path)["seconds"]) if path.exists() else 0.0
        self._started = time.monotonic()
        self._saved = self._started

    def seconds(self) -> float:
        """Seconds spent so far; what was spent since the last save is lost in a crash."""
        now = time.monotonic()
        total = self._before + now - self._started
        if now - self._saved > _SAVE_SECONDS:
            self._saved = now
            self.save(total)
        return total

    def save(self, seconds: float) -> None:
        """Write the seconds down."""
        write_json(self._path, {"seconds": round(seconds, 1)})
