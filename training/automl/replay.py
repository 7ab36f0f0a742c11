"""What a policy would have saved: a finished sweep's reports played back in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from training.automl.policies import Policy, reason_to_stop
from training.automl.records import TrialRecord
from training.metrics_file import MetricsFile
from training.runs import Run


@dataclass(frozen=True, slots=True)
class History:
    """One trial's reports. times_s: when each came, in seconds of one clock; values: the metric."""

    trial: str
    times_s: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """What would have happened. stopped: trial to the interval at which it would have ended.

    saved_seconds count training alone. best and best_kept: the best metric of the sweep, and of
    what the policy would have left of it.
    """

    stopped: dict[str, int]
    saved_evaluations: int
    evaluations: int
    saved_seconds: float
    best: float
    best_kept: float


def replay(policy: Policy, histories: Sequence[History]) -> Replay:
    """Apply a policy to reports in the order in which they came.

    A slot that it would have freed earlier would have started the next trial earlier; that order is
    not played. Raises ValueError without any report.
    """
    reports = sorted(
        (time, h.trial, k) for h in histories for k, time in enumerate(h.times_s, start=1)
    )
    if not reports:
        raise ValueError("no trial has reported anything")
    by_name = {h.trial: h for h in histories}
    table: dict[str, list[float]] = {}
    stopped: dict[str, int] = {}
    over: set[str] = set()
    for _, name, k in reports:
        if name in stopped:
            continue
        history = by_name[name]
        table.setdefault(name, []).append(history.values[k - 1])
        is_last = k == len(history.values)
        if not is_last and reason_to_stop(policy, table, name, k, finished=over):
            stopped[name] = k
        if is_last or name in stopped:
            over.add(name)
    return Replay(
        stopped=stopped,
        saved_evaluations=sum(len(by_name[name].values) - k for name, k in stopped.items()),
        evaluations=len(reports),
        saved_seconds=sum(
            by_name[n].times_s[-1] - by_name[n].times_s[k - 1] for n, k in stopped.items()
        ),
        best=max(value for h in histories for value in h.values),
        best_kept=max(value for values in table.values() for value in values),
    )


def histories(run: Run, records: Sequence[TrialRecord]) -> list[History]:
    """Reports of a run's trials, each timed from the trial's first start on."""
    starts: dict[str, float] = {}
    for event in run.events():
        if event["event"] == "started":
            starts.setdefault(event["trial"], datetime.fromisoformat(event["time"]).timestamp())
    return [_history(record, starts.get(record.name, 0.0)) for record in records]


def _history(record: TrialRecord, time_s: float) -> History:
    times, values = [], []
    for row in MetricsFile(record.trial.metrics).rows():
        time_s += row["seconds"]
        if record.metric in row:
            times.append(time_s)
            values.append(row[record.metric])
    return History(record.name, tuple(times), tuple(values))
