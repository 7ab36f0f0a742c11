"""A search space held against the models it names, before anything is trained."""

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any

from inference.errors import UsageError
from inference.types import Task
from training.automl.distributions import Choice
from training.automl.spaces import Space, SubSpace
from training.hyperparameter_names import job_parameters
from training.hyperparameters import resolve

_COMBINATIONS = 64  # of the other hyperparameters, among which a value must find one that fits


def check_space(space: Space, fixed: Mapping[str, Any], *, task: Task) -> None:
    """Raise UsageError, with the key path, for a value that no combination can have.

    `fixed` are the training_parameters. Unknown names and models, and values out of range, are
    found here; combinations that clash are passed over when points are drawn.
    """
    for index, sub_space in enumerate(space):
        where = f"search_space[{index}]"
        for name in sub_space:
            try:
                job_parameters({name: None}, task=task)
            except UsageError as error:
                raise UsageError(_placed(str(error), sub_space, name, where)) from None
        for model in models_of(sub_space, fixed):
            for name in sub_space:
                _check(sub_space, name, model, fixed, task, where)


def check_grid(space: Space) -> None:
    """Raise ValueError for what is no choice: a grid cannot count it."""
    for index, sub_space in enumerate(space):
        for name, one in sub_space.items():
            if not isinstance(one, Choice):
                raise ValueError(
                    f"search_space[{index}].{name}: sampling_algorithm grid takes only choice; "
                    "list its values, or sample by random or bayesian"
                )


def models_of(sub_space: SubSpace, fixed: Mapping[str, Any]) -> tuple[Any, ...]:
    """Models of a sub-space; None stands for the task's default."""
    if "model_name" in sub_space:
        return sub_space["model_name"].probes()
    return (fixed.get("model_name"),)


def _check(
    sub_space: SubSpace, name: str, model: Any, fixed: Mapping[str, Any], task: Task, where: str
) -> None:
    values = (model,) if name == "model_name" else sub_space[name].probes()
    others = {key: one for key, one in sub_space.items() if key not in (name, "model_name")}
    base = {**fixed, **({} if model is None else {"model_name": model})}
    for value in values:
        problem = ""
        for combination in islice(_combinations(others), _COMBINATIONS):
            try:
                resolve({**base, **combination, name: value}, task=task)
                break
            except UsageError as error:
                problem = problem or str(error)
        else:
            raise UsageError(_placed(problem, sub_space, name, where))


def _combinations(others: SubSpace) -> Iterator[dict[str, Any]]:
    for values in product(*(one.probes() for one in others.values())):
        yield dict(zip(others, values, strict=True))


def _placed(problem: str, sub_space: SubSpace, name: str, where: str) -> str:
    """Put the key path before a problem: that of the key it starts with, else that of `name`."""
    given, problem = problem, problem.removeprefix("training_parameters: ")
    first, separator, rest = problem.partition(": ")
    if separator and first in sub_space:
        return f"{where}.{first}: {rest}"
    if separator and first.isidentifier():
        return given
    word = problem.split(" ", 1)[0]
    return f"{where}.{word if word in sub_space else name}: {problem}"
