"""A sweep's trials in memory, as their files and events.jsonl tell about them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.files import read_json
from training.automl.samplers import Observation
from training.automl.spaces import Point
from training.automl.verdicts import Asked, Outcome
from training.metrics_file import MetricsFile
from training.runs import Run, Trial

_LAST_WORDS = 300  # characters of stderr


@dataclass(slots=True)
class TrialRecord:
    """One trial: what it tries, what it has reported, and how it ended.

    reports: the primary metric, once per evaluation. final: that of the exported model. asked: who
    has asked it to stop. restarts: how often it was started again since it last reported anything.
    outcome None: not yet over.
    """

    trial: Trial
    metric: str
    stated: dict[str, Any]
    outcome: Outcome | None = None
    reason: str = ""
    asked: Asked = ""
    restarts: int = 0
    is_running: bool = False
    reports: list[float] = field(default_factory=list)
    final: float | None = None
    _seen: tuple[int, int] | None = None
    _reports_at_restart: int = 0

    @property
    def name(self) -> str:
        """Its number, "003"."""
        return self.trial.path.name

    @property
    def parameters(self) -> dict[str, Any]:
        """All its hyperparameters."""
        return self.stated["parameters"]

    @property
    def point(self) -> Point:
        """What was drawn for it."""
        drawn = self.stated["point"]
        return Point(drawn["space"], drawn["values"])

    @property
    def value(self) -> float | None:
        """The primary metric: of the exported model, or the best so far."""
        return self.final if self.final is not None else self._best_report()

    @property
    def state(self) -> str:
        """For people: an outcome, or whether it runs."""
        return self.outcome or ("running" if self.is_running else "waiting")

    def observation(self) -> Observation:
        """What a sampler may know; a trial that failed has shown nothing."""
        pending = self.outcome is None
        value = None if self.outcome == "failed" else self._best_report()
        return Observation(self.point, value, is_running=pending)

    def refresh(self) -> bool:
        """Read reports again if their file has changed; whether it had."""
        try:
            stat = self.trial.metrics.stat()
        except FileNotFoundError:
            return False
        seen = (stat.st_mtime_ns, stat.st_size)
        if seen == self._seen:
            return False
        self._seen = seen
        rows = MetricsFile(self.trial.metrics).rows()
        self.reports = [row[self.metric] for row in rows if self.metric in row]
        return True

    def _best_report(self) -> float | None:
        return max((value for value in self.reports if not math.isnan(value)), default=None)

    def count_restart(self, evaluations: int) -> None:
        """Count a restart after so many reports; they count from 1 again where there were more."""
        self.restarts = self.restarts + 1 if evaluations <= self._reports_at_restart else 1
        self._reports_at_restart = evaluations

    def end(self, outcome: Outcome, reason: str) -> None:
        """Take note of how the trial ended."""
        self.outcome, self.reason = outcome, reason
        if outcome == "completed":
            self.final = float(self.trial.status()["metrics"][self.metric])

    def last_words(self) -> str:
        """The last line of what the process wrote to standard error."""
        return last_words(self.trial)


def last_words(trial: Trial) -> str:
    """The last line of what a trial's process wrote to standard error."""
    path = trial.path / "stderr.txt"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    lines = text.strip().splitlines()
    return lines[-1][-_LAST_WORDS:] if lines else ""


def load_records(run: Run, *, metric: str) -> list[TrialRecord]:
    """Read all trials of a sweep, in the order in which they were drawn."""
    records = {trial.path.name: _record(trial.path, metric) for trial in run.trials()}
    for event in run.events():
        record = records.get(event.get("trial", ""))
        if record is not None:
            _apply(event, record)
    for record in records.values():
        _end_what_was_not_noted(record)
    return list(records.values())


def _end_what_was_not_noted(record: TrialRecord) -> None:
    """End a trial that had ended, or was told to, when its controller died."""
    if record.outcome is None and record.trial.status()["state"] == "completed":
        record.end("completed", "")
    elif record.outcome is None and record.asked == "policy":
        record.end("terminated", record.reason)


def _record(path: Path, metric: str) -> TrialRecord:
    record = TrialRecord(Trial(path), metric, read_json(path / "params.json"))
    record.refresh()
    return record


def _apply(event: Mapping[str, Any], record: TrialRecord) -> None:
    if event["event"] == "ended":
        record.end(event["outcome"], event["reason"])
    elif event["event"] == "terminating":
        record.asked, record.reason = "policy", event["reason"]
    elif event["event"] == "restarted":
        record.count_restart(event["evaluations"])
