"""mlflow.json of a run folder: which of the store's runs belong to the job and its trials."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

from inference.files import read_json
from training.runs import write_json

JOB = "job"  # beside the names of trials


class Ledger:
    """Ids of MLflow runs by trial ("000") or JOB, and the trials that are logged to their end.

    It is of one store: with another URI it starts empty. The file holds the URI's hash alone, for a
    URI may hold a password.
    """

    def __init__(self, path: Path, *, uri: str) -> None:
        self._path = path
        store = hashlib.sha256(uri.encode()).hexdigest()
        known = read_json(path) if path.exists() else {}
        if known.get("store") != store:
            known = {"store": store, "key": uuid.uuid4().hex, "runs": {}, "ended": []}
            write_json(path, known)
        self._known: dict[str, Any] = known

    def key(self, name: str) -> str:
        """What no other run of the store is tagged with, fixed before the run is made."""
        return f"{self._known['key']}/{name}"

    def run_id(self, name: str) -> str | None:
        """The id that was noted."""
        return self._known["runs"].get(name)

    def note(self, name: str, run_id: str) -> None:
        """Keep an id."""
        self._known["runs"][name] = run_id
        write_json(self._path, self._known)

    def has_ended(self, name: str) -> bool:
        """Whether a trial was logged to its end."""
        return name in self._known["ended"]

    def set_ended(self, name: str, ended: bool) -> None:
        """Note that a trial was logged to its end, or goes on after all."""
        if ended != self.has_ended(name):
            kept = [other for other in self._known["ended"] if other != name]
            self._known["ended"] = [*kept, name] if ended else kept
            write_json(self._path, self._known)
