"""Search spaces: a list of sub-spaces, each a model's hyperparameters and what they are drawn from.

A trial takes its values from one sub-space alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.names import job_name
from training.automl.distributions import Distribution
from training.automl.expressions import parse_value

SubSpace = Mapping[str, Distribution]
Space = tuple[SubSpace, ...]
_FIXED = ("advanced_settings", "checkpoint_run_id", "weights")  # the same for all trials


@dataclass(frozen=True, slots=True)
class Point:
    """One choice out of a space: the index of the sub-space and a value per hyperparameter."""

    space: int
    values: Mapping[str, Any]


def parse_space(given: Sequence[Mapping[str, Any]]) -> Space:
    """Read the `search_space` of a job file; names come out as job files spell them.

    Raises ValueError that names the key path.
    """
    return tuple(_sub_space(values, f"search_space[{i}]") for i, values in enumerate(given))


def _sub_space(given: Mapping[str, Any], where: str) -> SubSpace:
    if not given:
        raise ValueError(f"{where} is empty; name at least one hyperparameter")
    space: dict[str, Distribution] = {}
    for key, value in given.items():
        name = job_name(key)
        if name in space:
            raise ValueError(f"{where}: {key} and another name of it are both given; keep one")
        if name in _FIXED:
            raise ValueError(f"{where}.{key} cannot be searched; move it to training_parameters")
        try:
            space[name] = parse_value(value)
        except ValueError as error:
            raise ValueError(f"{where}.{key}: {error}") from None
    return space


def space_size(space: Space) -> int | None:
    """How many combinations there are, or None where a value is continuous."""
    total = 0
    for sub_space in space:
        sizes = [one.size for one in sub_space.values()]
        if None in sizes:
            return None
        total += math.prod(size for size in sizes if size is not None)
    return total


def point_at(space: Space, chosen: int, u: Sequence[float]) -> Point:
    """The point of sub-space `chosen` at quantiles `u`, one per hyperparameter in order."""
    sub_space = space[chosen]
    return Point(chosen, {n: one.at(x) for (n, one), x in zip(sub_space.items(), u, strict=True)})
