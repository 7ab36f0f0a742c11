"""The run store: plain files from which everything that a crash interrupts can go on.

runs/<experiment>/<job>/   job.yaml  job.resolved.yaml  env.json  data.json  train.jsonl
                           validation.jsonl  events.jsonl  leaderboard.json  best → trials/000
                           clock.json (sweeps: seconds spent)
  trials/<nnn>/            params.json  status.json  metrics.jsonl  log.txt  evaluation.json
                           checkpoints/{last,best}.ckpt  model/
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from inference.files import read_json, write_text_atomically
from inference.names import unknown_name
from training.metrics_file import MetricsFile

RUNS = Path("runs")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial's folder."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of last.ckpt and best.ckpt."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The model folder, there once the trial has completed."""
        return self.path / "model"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.path / "metrics.jsonl"

    def status(self) -> dict[str, Any]:
        """The last state that the trial wrote; {"state": "new"} before its first."""
        path = self.path / "status.json"
        return read_json(path) if path.exists() else {"state": "new"}

    def write_status(self, state: str, **facts: Any) -> None:
        """Replace the state and all facts: an error that a resumed trial got over is gone."""
        write_json(self.path / "status.json", {"state": state, "time": now(), **facts})


@dataclass(frozen=True, slots=True)
class Run:
    """One job's folder."""

    path: Path

    @property
    def name(self) -> str:
        """<experiment>/<job>."""
        return f"{self.path.parent.name}/{self.path.name}"

    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were made."""
        return [Trial(path) for path in sorted((self.path / "trials").glob("[0-9]*"))]

    def new_trial(self, parameters: Mapping[str, Any], *, number: int = 0) -> Trial:
        """Make a trial's folder with its parameters; it appears with them, or not at all."""
        trial = Trial(self.path / "trials" / f"{number:03d}")
        staging = trial.path.with_name(f".{trial.path.name}.partial")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        write_json(staging / "params.json", parameters)
        staging.rename(trial.path)
        return trial

    def log_event(self, event: str, **facts: Any) -> None:
        """Append to events.jsonl, in one write: a crash leaves a whole line or none of it."""
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": now(), "event": event, **facts}) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """What has happened, in order; a line that a full disk cut short is left out."""
        path = self.path / "events.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [event for line in lines if (event := _parsed(line)) is not None]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run: two processes in one run would overwrite each other's checkpoints.

        Raises UsageError when another process holds it. The lock dies with its process.
        """
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"run {self.name} is being worked on by another process") from None
            yield


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


@contextmanager
def new_run(root: Path, *, experiment: str, name: str) -> Iterator[Run]:
    """Fill the folder of a new run; it appears under its name whole, or not at all.

    Raises UsageError for a bad name, a run that exists, and a folder that cannot be written.
    """
    for kind, text in (("experiment_name", experiment), ("name", name)):
        if not _NAME.fullmatch(text):
            raise UsageError(
                f"{kind} must consist of letters, digits, '.', '_' and '-', got {text!r}"
            )
    path = root / experiment / name
    if path.exists():
        raise UsageError(
            f"run {experiment}/{name} exists already; give the job another `name`, "
            f"or go on with it: python -m training resume {experiment}/{name}"
        )
    staging = path.with_name(f".{name}.{os.getpid()}.partial")
    try:
        staging.mkdir(parents=True)
        yield Run(staging)
        staging.rename(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose --runs DIR") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def seconds_left(trial: Trial) -> float:
    """What the job's timeout leaves a trial that is the job's only one."""
    stated = read_json(trial.path / "params.json")
    spent = sum(row["seconds"] for row in MetricsFile(trial.metrics).rows())
    return 60 * stated["timeout_minutes"] - spent


def all_runs(root: Path) -> list[Run]:
    """All runs below `root`, oldest first."""
    found = [path.parent for path in root.glob("*/[!.]*/job.yaml")]  # not what is being made
    return [Run(path) for path in sorted(found, key=lambda path: path.stat().st_mtime)]


def find_run(root: Path, name: str) -> Run:
    """Find a run by <experiment>/<job>, by <job> alone, or by its folder.

    Raises UsageError when there is none or when the name fits several.
    """
    if (Path(name) / "job.yaml").is_file():
        return Run(Path(name).resolve())
    fitting = [run for run in all_runs(root) if name in (run.name, run.path.name)]
    if not fitting:
        raise UsageError(unknown_name("run", name, (run.name for run in all_runs(root))))
    if len(fitting) > 1:
        raise UsageError(f"run {name!r} is ambiguous: {', '.join(run.name for run in fitting)}")
    return fitting[0]


def find_model(root: Path, source: str) -> Path:
    """Find the model folder of a run's best trial; `source` may also be a model folder itself.

    Raises UsageError when there is no such run or it has no model yet.
    """
    if (Path(source) / "model.json").is_file():
        return Path(source)
    run = find_run(root, source)
    path = run.path / "best" / "model"
    if not path.is_dir():
        raise UsageError(
            f"run {run.name} has no model yet; finish it with: python -m training resume {run.name}"
        )
    return path


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    write_text_atomically(path, json.dumps(content, indent=2, default=str) + "\n")


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
