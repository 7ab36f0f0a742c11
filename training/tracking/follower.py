"""One pass over a run's files: what they say and MLflow does not yet is logged."""

import math
import os
from collections.abc import Mapping
from typing import Any

from inference.files import read_json
from training.automl.resolved import read_resolved
from training.metrics_file import MetricsFile, Row
from training.runs import Run, Trial
from training.show import run_state
from training.tracking.artifacts import azure_layout
from training.tracking.ledger import JOB, Ledger
from training.tracking.store import Status, Store

BEST_TAG = "automl_best_child_run_id"
_STATUSES: Mapping[str, Status] = {"completed": "FINISHED", "failed": "FAILED"}


class Follower:
    """Follows one run into one store; `synchronize` may be called at any time, `finish` at last."""

    def __init__(self, run: Run, uri: str) -> None:
        self._run = run
        self._resolved = read_resolved(run)
        self._metric = str(self._resolved["primary_metric"])
        self._ledger = Ledger(run.path / "mlflow.json", uri=uri)
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.path.parent.name
        self._store = Store(uri, experiment)
        self._open: dict[str, str] = {}  # run ids of what was found in the store and goes on
        self._best = ""

    def synchronize(self) -> None:
        """Log what is new. Raises whatever MLflow does; then nothing here is of use any more."""
        job = self._job()
        outcomes = read_outcomes(self._run)
        for trial in self._run.trials():
            outcome, reason = outcomes.get(trial.path.name) or _noted_by(trial)
            if outcome and self._ledger.has_ended(trial.path.name):
                continue
            self._ledger.set_ended(trial.path.name, False)
            run_id = self._trial(trial, job)
            rows = MetricsFile(trial.metrics).rows()
            self._store.log(run_id, rows)
            if outcome:
                self._end(trial, run_id, rows, outcome, reason)
        self._name_best(job)

    def finish(self) -> None:
        """Log the rest, and that nothing runs any more: what may be resumed counts as killed."""
        self.synchronize()
        job = self._open.pop(JOB)
        for run_id in self._open.values():
            self._store.set_status(run_id, "KILLED")
        self._open = {}
        report = self._run.path / "report.html"
        if report.exists():
            self._store.upload(job, report)
        state, best = run_state(self._run, self._run.trials()), self._run.path / "best"
        if state == "completed" and best.exists():
            self._log_score(job, Trial(best.resolve()), [])
        elif state == "completed":
            state = "failed"
        self._store.set_status(job, _STATUSES.get(state, "KILLED"))

    def _job(self) -> str:
        resolved = self._resolved
        tags = {name: str(text) for name, text in resolved.get("tags", {}).items()}
        if "description" in resolved:
            tags["mlflow.note.content"] = resolved["description"]
        facts = {
            name: resolved.get(name)
            for name in ("task", "mode", "primary_metric", "training_data", "validation_data")
        }
        name = str(resolved.get("display_name", self._run.path.name))
        return self._opened(JOB, name, tags, {**facts, **resolved.get("limits", {})})

    def _trial(self, trial: Trial, job: str) -> str:
        name = trial.path.name
        if name in self._open:
            return self._open[name]
        return self._opened(
            name,
            f"{self._run.path.name}/{name}",
            {"mlflow.parentRunId": job},
            read_json(trial.path / "params.json")["parameters"],
        )

    def _opened(
        self, name: str, title: str, tags: Mapping[str, str], parameters: Mapping[str, Any]
    ) -> str:
        """Return the id of a run that goes on; made if this is its first time."""
        if name not in self._open:
            run_id = self._ledger.run_id(name)
            if run_id is None:
                run_id = self._store.find_or_create(self._ledger.key(name), name=title, tags=tags)
                self._ledger.note(name, run_id)
            self._store.set_status(run_id, "RUNNING")
            self._store.describe(run_id, parameters)
            self._open[name] = run_id
        return self._open[name]

    def _end(self, trial: Trial, run_id: str, rows: list[Row], outcome: str, reason: str) -> None:
        self._store.describe(run_id, read_json(trial.path / "params.json")["parameters"])
        if outcome != "failed":  # which `resume` may still change
            self._log_score(run_id, trial, rows)
        if reason:
            self._store.tag(run_id, "reason", reason)
        if outcome == "completed":
            with azure_layout(trial) as folder:
                self._store.upload(run_id, folder)
        self._store.set_status(run_id, _STATUSES.get(outcome, "KILLED"))
        self._ledger.set_ended(trial.path.name, True)
        del self._open[trial.path.name]

    def _log_score(self, run_id: str, trial: Trial, rows: list[Row]) -> None:
        """Log the primary metric of the exported model, or the best so far, as `score`.

        MLflow's tables show the last value of a metric, which need not be the best epoch's.
        """
        reports = [
            value for row in rows if not math.isnan(value := row.get(self._metric, math.nan))
        ]
        value = trial.status().get("metrics", {}).get(self._metric, max(reports, default=None))
        if value is not None:
            self._store.log(run_id, [{"epoch": 0, "score": value}])

    def _name_best(self, job: str) -> None:
        best = self._run.path / "best"
        run_id = self._ledger.run_id(best.resolve().name) if best.exists() else None
        if run_id is not None and run_id != self._best:
            self._store.tag(job, BEST_TAG, run_id)
            self._best = run_id


def read_outcomes(run: Run) -> dict[str, tuple[str, str]]:
    """Outcome and reason of every trial that has ended and was not started again."""
    found: dict[str, tuple[str, str]] = {}
    for event in run.events():
        if event["event"] == "started":
            found.pop(event["trial"], None)
        elif event["event"] == "ended" and event.get("outcome"):
            found[event["trial"]] = event["outcome"], event.get("reason", "")
    return found


def _noted_by(trial: Trial) -> tuple[str, str]:
    """The outcome of a trial whose end was not noted, because its controller died."""
    return ("completed" if trial.status()["state"] == "completed" else ""), ""
