"""What a report is made from: the files of a run, read once, and the best model's predictions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.files import read_json
from inference.types import Task
from training.automl.leaderboard import leaderboard
from training.automl.records import load_records
from training.automl.resolved import is_sweep, read_resolved
from training.data.records import Record
from training.data.split_files import read_split
from training.metrics_file import MetricsFile, Row
from training.report.scoring import Scored
from training.runs import Run, Trial

_COCO_IOU = 0.5


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """One trial: how it ended, what was tried and what every epoch brought.

    value: the primary metric of the exported model, or the best so far. values: what the sweep
    drew for it; nothing where the job is no sweep. reason: why it failed or was stopped.
    """

    name: str
    state: str
    value: float | None
    model_name: str
    values: Mapping[str, Any]
    reason: str
    rows: tuple[Row, ...]

    @property
    def seconds(self) -> float:
        """How long its epochs took."""
        return sum(row["seconds"] for row in self.rows)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run as its files tell about it.

    trials: the best first. judged: the trial that the page looks at more closely, which is the best
    one or the only one; evaluation and model are its own, None where it did not get so far;
    iou_threshold is the one that it judged detections with. scored: predictions of the model.
    """

    run: Run
    task: Task
    metric: str
    data: Mapping[str, Any]
    environment: Mapping[str, Any]
    validation: tuple[Record, ...]
    trials: tuple[TrialFacts, ...]
    judged: str | None
    evaluation: Mapping[str, Any] | None
    model: Path | None
    iou_threshold: float
    scored: Scored | None = None

    @property
    def labels(self) -> list[str]:
        """The classes in the order of the model's outputs."""
        return list(self.data["labels"])


def read_evidence(run: Run) -> Evidence:
    """Read a run in whatever state it is. Raises ModelFolderError for a damaged JSON file."""
    resolved = read_resolved(run)
    trials = _of_sweep(run, resolved) if is_sweep(run) else _of_single(run, resolved)
    judged = _judged(run)
    evaluation = judged and judged.path / "evaluation.json"
    return Evidence(
        run=run,
        task=Task(resolved["task"]),
        metric=resolved["primary_metric"],
        data=read_json(run.path / "data.json"),
        environment=read_json(run.path / "env.json"),
        validation=tuple(read_split(run.path / "validation.jsonl")),
        trials=tuple(trials),
        judged=judged.path.name if judged else None,
        evaluation=read_json(evaluation) if evaluation and evaluation.exists() else None,
        model=judged.model if judged and judged.model.is_dir() else None,
        iou_threshold=_iou_threshold(judged),
    )


def _judged(run: Run) -> Trial | None:
    """The best trial; before there is one, the only one."""
    best = run.path / "best"
    if best.exists():
        return Trial(best.resolve())
    trials = run.trials()
    return trials[0] if len(trials) == 1 else None


def _iou_threshold(trial: Trial | None) -> float:
    parameters = read_json(trial.path / "params.json")["parameters"] if trial else {}
    return float(parameters.get("validation_iou_threshold", _COCO_IOU))


def _of_sweep(run: Run, resolved: Mapping[str, Any]) -> list[TrialFacts]:
    records = load_records(run, metric=resolved["primary_metric"])
    rows = {record.name: _rows(record.trial) for record in records}
    return [
        TrialFacts(
            name=row["trial"],
            state=row["state"],
            value=row["value"],
            model_name=row["model_name"],
            values=row["values"],
            reason=row["reason"],
            rows=rows[row["trial"]],
        )
        for row in leaderboard(records)
    ]


def _of_single(run: Run, resolved: Mapping[str, Any]) -> list[TrialFacts]:
    return [_single(trial, resolved["primary_metric"]) for trial in run.trials()]


def _single(trial: Trial, metric: str) -> TrialFacts:
    status, rows = trial.status(), _rows(trial)
    reports = [row[metric] for row in rows if not math.isnan(row.get(metric, math.nan))]
    return TrialFacts(
        name=trial.path.name,
        state=status["state"],
        value=status.get("metrics", {}).get(metric, max(reports, default=None)),
        model_name=read_json(trial.path / "params.json")["parameters"]["model_name"],
        values={},
        reason=status.get("error", ""),
        rows=rows,
    )


def _rows(trial: Trial) -> tuple[Row, ...]:
    return tuple(MetricsFile(trial.metrics).rows())
