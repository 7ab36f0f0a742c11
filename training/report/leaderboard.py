"""All trials of the job, the best one first."""

from collections.abc import Mapping
from typing import Any

from inference.html_page import table
from training.automl.display import clock
from training.report.evidence import Evidence, TrialFacts
from training.report.plots import short

_REASON = 300  # characters
_PROSE = ("state", "model", "tried", "reason")


def leaderboard(evidence: Evidence) -> str:
    """State, metric, epochs, time, what was tried, and why what ended badly did."""
    rows = [_row(trial, evidence.metric) for trial in evidence.trials]
    head = [name for name in (rows[0] if rows else {}) if any(row[name] for row in rows)]
    return table(head, ([row[name] for name in head] for row in rows), prose=_PROSE)


def _row(trial: TrialFacts, metric: str) -> dict[str, str]:
    """Cells by the heads of their columns; a column that is empty in all rows is left out."""
    is_long = len(trial.reason) > _REASON
    return {
        "trial": trial.name,
        "state": trial.state,
        metric: "" if trial.value is None else f"{trial.value:.4f}",
        "epochs": str(len(trial.rows)),
        "time": clock(trial.seconds),
        "model": trial.model_name,
        "tried": _tried(trial.values),
        "reason": f"{trial.reason[: _REASON - 1]}…" if is_long else trial.reason,
    }


def _tried(values: Mapping[str, Any]) -> str:
    """Return what a sweep drew, but for the model's name."""
    return ", ".join(
        f"{name} {short(value) if isinstance(value, float) else value}"
        for name, value in values.items()
        if name != "model_name"
    )
