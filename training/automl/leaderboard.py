"""leaderboard.json: all trials of a job, the best completed one first; and the link to it."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from training.automl.records import TrialRecord
from training.runs import Run, write_json


def leaderboard(records: Iterable[TrialRecord]) -> list[dict[str, Any]]:
    """Rank trials: completed ones by their metric, then the others; equal ones by their age."""
    rows = [_row(record) for record in records]
    rows.sort(key=_rank)
    return rows


def write_leaderboard(run: Run, records: Iterable[TrialRecord]) -> None:
    """Write leaderboard.json, and point `best` at the best trial that has a model."""
    rows = leaderboard(records)
    write_json(run.path / "leaderboard.json", rows)
    if rows and rows[0]["state"] == "completed":
        point_best_at(run, rows[0]["trial"])


def point_best_at(run: Run, trial: str) -> None:
    """Make `best` a link to a trial's folder, in one step."""
    temporary = run.path / ".best.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path("trials") / trial)
    temporary.replace(run.path / "best")


def _row(record: TrialRecord) -> dict[str, Any]:
    return {
        "trial": record.name,
        "state": record.state,
        "metric": record.metric,
        "value": record.value,
        "evaluations": len(record.reports),
        "model_name": record.parameters["model_name"],
        "values": dict(record.point.values),
        "reason": record.reason,
    }


def _rank(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    value = row["value"]
    is_number = value is not None and not math.isnan(value)
    return row["state"] != "completed", -value if is_number else math.inf, row["trial"]
