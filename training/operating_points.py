"""Score thresholds: what each would give, and which one an objective asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.errors import UsageError

Passes = Callable[[NDArray[np.float32], np.float32], NDArray[np.bool_]]  # scores, threshold
_MOST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Objective:
    """What is made as large as possible.

    f1; or the recall among thresholds whose precision is at least `bound` (precision@BOUND); or the
    other way round (recall@BOUND).
    """

    kind: Literal["f1", "precision", "recall"]
    bound: float = 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold and what it gives: shares of all predictions together, and their F1."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The best threshold, and how many others are as good."""

    point: Point
    ties: int


def parse_objective(text: str) -> Objective:
    """Read "f1", "precision@0.9" or "recall@0.9". Raises UsageError that says what is allowed."""
    kind, at, bound = text.strip().lower().partition("@")
    try:
        if kind == "f1" and not at:
            return Objective("f1")
        if kind in ("precision", "recall") and 0 < float(bound) <= 1:
            return Objective("precision" if kind == "precision" else "recall", float(bound))
    except ValueError:
        pass
    raise UsageError(
        f"--objective must be f1, precision@P or recall@R with a bound in (0, 1], got {text!r}"
    )


def point_at(
    threshold: float,
    scores: NDArray[np.float32],
    is_true: NDArray[np.bool_],
    *,
    positives: int,
    passes: Passes,
) -> Point:
    """What one threshold gives.

    scores, is_true (n,): every prediction and whether it is right; positives: what there is to be
    found, at least 1. Nothing predicted is a precision of 0.
    """
    passing = passes(scores, np.float32(threshold))
    predicted, true = int(passing.sum()), int(is_true[passing].sum())
    return Point(
        threshold, true / max(1, predicted), true / positives, 2 * true / (predicted + positives)
    )


def best_point(
    objective: Objective,
    scores: NDArray[np.float32],
    is_true: NDArray[np.bool_],
    *,
    positives: int,
    passes: Passes,
) -> Choice:
    """Choose among all thresholds that differ in what passes; see `point_at`.

    Of equally good ones the highest wins: it says less that is wrong. The threshold lies between
    the lowest score that passes and the highest that does not, so that small differences between
    engines change nothing. Raises UsageError when no threshold reaches the objective's bound.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # of each distinct score
    predicted, true = last + 1, np.cumsum(is_true[order])[last]
    precision, recall = true / predicted, true / positives
    f1 = 2 * true / (predicted + positives)
    bounded = {"f1": f1, "precision": precision, "recall": recall}[objective.kind]
    wanted = {"f1": f1, "precision": recall, "recall": precision}[objective.kind]
    reached = bounded >= objective.bound
    if not reached.any():
        raise UsageError(
            f"no threshold reaches {objective.kind} {objective.bound:g} on the validation images; "
            f"the highest is {bounded.max():.3f}; ask for less"
        )
    values = np.where(reached, wanted, -1.0)
    best = int(values.argmax())
    distinct = np.append(scores[order][last], -np.inf)
    threshold = _between(distinct[best], distinct[best + 1], passes)
    point = Point(threshold, float(precision[best]), float(recall[best]), float(f1[best]))
    return Choice(point, ties=int((values == values[best]).sum()) - 1)


def _between(passing: np.float32, failing: np.float32, passes: Passes) -> float:
    """Return the shortest number near the middle of two scores that keeps them apart."""
    low, high = max(float(failing), 0.0), float(passing)
    middle, near = (low + high) / 2, (high - low) / 4
    rounded = (round(middle, digits) for digits in range(1, _MOST_DIGITS + 1))
    candidates = [*(one for one in rounded if abs(one - middle) <= near), low, high]
    pair = np.array([passing, failing])
    return next(
        one for one in candidates if passes(pair, np.float32(one)).tolist() == [True, False]
    )
