"""job.resolved.yaml read again: what a run is resumed from."""

from typing import Any

import yaml

from inference.files import read_json
from training.runs import Run


def read_resolved(run: Run) -> dict[str, Any]:
    """The job as it was understood when the run was made."""
    return yaml.safe_load((run.path / "job.resolved.yaml").read_text(encoding="utf-8"))


def is_sweep(run: Run) -> bool:
    """Whether a run has more than its one trial; runs of before there were sweeps have not."""
    return read_resolved(run).get("mode", "single") != "single"


def primary_metric(run: Run) -> str:
    """The metric that a run's trials are ranked by."""
    return str(read_resolved(run)["primary_metric"])


def trial_facts(run: Run) -> dict[str, Any]:
    """What every trial's params.json says beside its hyperparameters."""
    resolved, data = read_resolved(run), read_json(run.path / "data.json")
    return {
        "task": resolved["task"],
        "primary_metric": resolved["primary_metric"],
        "labels": data["labels"],
        "seed": resolved["seed"],
        "timeout_minutes": resolved["limits"]["timeout_minutes"],
        "data_hash": data["hash"],
        **resolved.get("properties", {}),  # not in runs of earlier versions
    }
