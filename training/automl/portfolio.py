"""The portfolio of AutoMode: data in portfolio.yaml, narrowed down to a machine and a data set."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from inference.types import Task
from training.automl.expressions import parse_value
from training.hyperparameters import resolve, schema_for

PORTFOLIO = Path(__file__).with_name("portfolio.yaml")
_UNKNOWN_MODEL_RANGE = 2.3  # e-folds around the default learning rate: ten times less to ten more


@dataclass(frozen=True, slots=True)
class Facts:
    """What the choice depends on.

    device_gb: memory of a GPU, 0 on a CPU. side_px: the median of the images' shorter sides.
    object_ratio: one object in ten is smaller (root of its share of its image); 1 without objects.
    pretrained: 1 if networks start from weights, 0 if they start at random.
    """

    device_gb: float
    pretrained: float
    images: int
    side_px: float
    object_ratio: float


@dataclass(frozen=True, slots=True)
class AutoPlan:
    """What AutoMode will do, plain data for job.resolved.yaml.

    search_space: one sub-space per model, as in a job file. points: the portfolio's trials in
    order, (index of the sub-space, values).
    """

    version: int
    facts: Facts
    early_termination: Mapping[str, Any]
    search_space: list[dict[str, Any]]
    points: list[tuple[int, dict[str, Any]]]

    def to_yaml(self) -> dict[str, Any]:
        """What a resumed sweep needs to know of it."""
        return {
            "version": self.version,
            "facts": asdict(self.facts),
            "points": [{"space": space, "values": values} for space, values in self.points],
        }


def auto_plan(task: Task, facts: Facts, fixed: Mapping[str, Any]) -> AutoPlan:
    """Narrow the portfolio down. `fixed`, the training_parameters, win over all it says."""
    content = yaml.safe_load(PORTFOLIO.read_text(encoding="utf-8"))
    chapter = content["tasks"][task.value]
    models = _models(chapter["models"], facts, fixed, task)
    rules = _constants(chapter["rules"], facts)
    spaces = {
        model: _sub_space(model, entry["search"], rules, fixed, task)
        for model, entry in models.items()
    }
    names = list(spaces)
    trials = [
        trial
        for group in chapter["trials"]
        if _applies(group["when"], facts)
        for trial in group["try"]
        if trial["model_name"] in spaces
    ]
    trials = trials or [{"model_name": model} for model in names]
    points = [
        (names.index(trial["model_name"]), _values(trial, spaces[trial["model_name"]]))
        for trial in trials
    ]
    distinct = [point for i, point in enumerate(points) if point not in points[:i]]
    return AutoPlan(
        content["version"], facts, content["early_termination"], list(spaces.values()), distinct
    )


def _models(
    known: Mapping[str, Any], facts: Facts, fixed: Mapping[str, Any], task: Task
) -> Mapping[str, Any]:
    """Models that fit the machine, or the one that the job fixes, whatever it needs."""
    if "model_name" in fixed:
        model = resolve(fixed, task=task).model_name
        return {model: known.get(model) or {"search": _around_the_default(fixed, task)}}
    if facts.device_gb <= 0:
        return {name: entry for name, entry in known.items() if entry.get("cpu")}
    fitting = {n: entry for n, entry in known.items() if entry["needs_gb"] <= facts.device_gb}
    smallest = min(known, key=lambda name: known[name]["needs_gb"])
    return fitting or {smallest: known[smallest]}


def _around_the_default(fixed: Mapping[str, Any], task: Task) -> dict[str, Any]:
    middle = math.log(resolve(fixed, task=task).learning_rate)
    low, high = middle - _UNKNOWN_MODEL_RANGE, middle + _UNKNOWN_MODEL_RANGE
    return {"learning_rate": {"type": "loguniform", "min_value": low, "max_value": high}}


def _constants(rules: list[Any], facts: Facts) -> dict[str, Any]:
    constants = {}
    for rule in rules:
        if _applies(rule["when"], facts):
            constants.update(rule["set"])
    return constants


def _applies(when: Mapping[str, Any], facts: Facts) -> bool:
    return all(_holds(getattr(facts, name), test) for name, test in when.items())


def _holds(value: float, test: Mapping[str, float]) -> bool:
    return test.get("at_least", -math.inf) <= value < test.get("below", math.inf)


def _sub_space(
    model: str,
    search: Mapping[str, Any],
    constants: Mapping[str, Any],
    fixed: Mapping[str, Any],
    task: Task,
) -> dict[str, Any]:
    """One model's sub-space without what the job fixes."""
    fields = schema_for(task, model).model_fields
    usable = {name: value for name, value in constants.items() if name in fields}
    both = {**search, **usable}
    return {"model_name": model, **{n: value for n, value in both.items() if n not in fixed}}


def _values(trial: Mapping[str, Any], sub_space: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's value for everything in its sub-space."""
    return dict(_filled(trial, sub_space))


def _filled(trial: Mapping[str, Any], sub_space: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, expression in sub_space.items():
        is_searched = isinstance(expression, Mapping)
        if is_searched and name in trial:
            yield name, trial[name]
        else:
            yield name, parse_value(expression).at(0.5)
