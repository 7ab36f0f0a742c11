"""How long a job may take, from what earlier trials of the same models took."""

from collections.abc import Iterable, Mapping
from statistics import fmean, median
from typing import Any

from inference.files import read_json
from inference.types import Task
from training.automl.distributions import Choice
from training.automl.spaces import Space
from training.hyperparameters import resolve
from training.metrics_file import MetricsFile
from training.runs import Run


def seconds_per_image(runs: Iterable[Run]) -> dict[str, float]:
    """Seconds that an epoch took per training image, by model; the median of all trials."""
    found: dict[str, list[float]] = {}
    for run in runs:
        images = read_json(run.path / "data.json")["train"]["images"]
        for trial in run.trials():
            rows = MetricsFile(trial.metrics).rows()
            if rows:
                model = read_json(trial.path / "params.json")["parameters"]["model_name"]
                seconds = median(row["seconds"] for row in rows)
                found.setdefault(model, []).append(seconds / images)
    return {model: median(values) for model, values in found.items()}


def estimated_seconds(
    space: Space,
    fixed: Mapping[str, Any],
    *,
    task: Task,
    trials: int,
    images: int,
    speeds: Mapping[str, float],
) -> tuple[float | None, list[str]]:
    """Seconds of training if all trials ran to their end one after the other, all models alike.

    None, and the models whose speed nobody knows, where `speeds` lacks one.
    """
    costs, unknown = [], []
    for sub_space in space:
        models = sub_space.get("model_name", Choice((fixed.get("model_name"),))).probes()
        middle = {name: one.at(0.5) for name, one in sub_space.items() if name != "model_name"}
        for model in models:
            named = {} if model is None else {"model_name": model}
            parameters = resolve({**fixed, **middle, **named}, task=task)
            speed = speeds.get(parameters.model_name)
            if speed is None:
                unknown.append(parameters.model_name)
            else:
                costs.append(parameters.number_of_epochs * images * speed)
    if unknown:
        return None, sorted(set(unknown))
    return trials * fmean(costs), []
