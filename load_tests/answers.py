"""Whether two answers say the same."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from load_tests.outcomes import Outcome


def difference(a: Any, b: Any) -> float:
    """The largest difference of two numbers in the same place, relative to the larger answer's.

    0 means equal, infinity that the structure, a label or another text differs. Relative to the
    largest number of the list that both stand in, so that small probabilities do not decide.
    """
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return math.inf
        return max((difference(a[key], b[key]) for key in a), default=0.0)
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return math.inf
        if all(_is_number(value) for value in (*a, *b)):
            return _of_numbers(a, b)
        return max((difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    if _is_number(a) and _is_number(b):
        return _of_numbers([a], [b])
    return 0.0 if a == b else math.inf


def changed_answers(
    outcomes: Sequence[Outcome], alone: Mapping[str, Any], *, tolerance: float
) -> list[Outcome]:
    """The good answers that differ from what the same payload got alone."""
    return [
        outcome
        for outcome in outcomes
        if outcome.ok
        and difference(orjson.loads(outcome.body), alone[outcome.payload.name]) > tolerance
    ]


def _of_numbers(a: list[float], b: list[float]) -> float:
    largest = max((abs(value) for value in (*a, *b)), default=0.0)
    gap = max((abs(x - y) for x, y in zip(a, b, strict=True)), default=0.0)
    return gap / largest if largest else 0.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
