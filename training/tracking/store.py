"""MLflow's tracking store: runs that are found again, and values that are logged once."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from training.metrics_file import Row

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
KEY_TAG = "sightline.key"
_METRICS_PER_REQUEST, _PARAMS_PER_REQUEST = 1000, 100  # what a store takes at once
_NOT_METRICS = frozenset({"epoch", "step"})
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the next pass tries again anyway
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}


class Store:
    """One experiment of a store. What has been logged is asked from it once per run.

    After an error nobody knows how much of a request was taken: make a new Store then.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        """Import MLflow and connect; the experiment is made if it is missing."""
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # it would announce every retry
        from mlflow import MlflowClient  # takes a second, and only those who track need it

        self._client: Any = MlflowClient(uri)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = (
            found.experiment_id if found else self._client.create_experiment(experiment)
        )
        self._logged: dict[str, set[tuple[str, int]]] = {}

    def find_or_create(self, key: str, *, name: str, tags: Mapping[str, str]) -> str:
        """Return the id of the run tagged with `key`; one may exist though nobody noted its id."""
        runs = self._client.search_runs([self._experiment], f"tags.`{KEY_TAG}` = '{key}'")
        if not runs:
            tags = {**tags, KEY_TAG: key}
            runs = [self._client.create_run(self._experiment, tags=tags, run_name=name)]
        return str(runs[0].info.run_id)

    def set_status(self, run_id: str, status: Status) -> None:
        """Say that a run goes on, or how it has ended."""
        if status != "RUNNING":
            self._client.set_terminated(run_id, status)
        elif self._client.get_run(run_id).info.status != status:
            self._client.update_run(run_id, status=status)

    def describe(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        """Log parameters. MLflow's never change: a value that did becomes the tag `now.NAME`."""
        from mlflow.entities import Param

        known = self._client.get_run(run_id).data.params
        texts = {name: str(value) for name, value in parameters.items() if value is not None}
        new = [Param(name, text) for name, text in texts.items() if name not in known]
        for part in _parts(new, _PARAMS_PER_REQUEST):
            self._client.log_batch(run_id, params=part)
        for name, text in texts.items():
            if known.get(name, text) != text:
                self.tag(run_id, f"now.{name}", text)

    def tag(self, run_id: str, name: str, text: str) -> None:
        """Set a tag."""
        self._client.set_tag(run_id, name, text)

    def log(self, run_id: str, rows: Iterable[Row]) -> None:
        """Log rows of metrics, each at its epoch; what the run has at that epoch stays as it is."""
        from mlflow.entities import Metric

        logged = self._logged_in(run_id)
        now = int(1000 * time.time())
        new = [
            Metric(name, value, now, int(row["epoch"]))
            for row in rows
            for name, value in row.items()
            if name not in _NOT_METRICS and (name, row["epoch"]) not in logged
        ]
        for part in _parts(new, _METRICS_PER_REQUEST):
            self._client.log_batch(run_id, metrics=part)
        logged.update((metric.key, metric.step) for metric in new)

    def upload(self, run_id: str, path: Path) -> None:
        """Upload a file, or what is in a folder, to the root of a run's artifacts."""
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path))
        else:
            self._client.log_artifact(run_id, str(path))

    def _logged_in(self, run_id: str) -> set[tuple[str, int]]:
        if run_id not in self._logged:
            self._logged[run_id] = {
                (name, metric.step)
                for name in self._client.get_run(run_id).data.metrics
                for metric in self._client.get_metric_history(run_id, name)
            }
        return self._logged[run_id]


def _parts(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for begin in range(0, len(items), size):
        yield list(items[begin : begin + size])
