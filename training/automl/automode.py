"""AutoMode: the portfolio first, then Bayesian search around the best of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from training.automl.bayesian import draw_seed, tpe_draw
from training.automl.portfolio import Facts
from training.automl.samplers import Observation
from training.automl.spaces import Point, Space
from training.data.records import Record

_RUNNER_UP_EVERY = 3  # draws: one of them looks around the second-best model


@dataclass(frozen=True, slots=True)
class AutoSampler:
    """The portfolio's points in order, then TPE in the sub-space of the best model so far.

    One draw in three goes to the runner-up's: the best one may have been lucky.
    """

    space: Space
    points: tuple[Point, ...]
    seed: int

    def draw(self, index: int, seen: Sequence[Observation]) -> Point:
        """Return the point that is next, or that promises most after what was `seen`."""
        if index < len(self.points):
            return self.points[index]
        ranked = _ranked(seen) or list(range(len(self.space)))
        place = 1 if index % _RUNNER_UP_EVERY == 0 and len(ranked) > 1 else 0
        return tpe_draw(
            self.space, [ranked[place]], seen, seed=draw_seed(self.seed, index), startup=1
        )


def _ranked(seen: Sequence[Observation]) -> list[int]:
    """Sub-spaces that have shown something, the one with the best trial first."""
    best: dict[int, float] = {}
    for one in seen:
        if one.value is not None:
            best[one.point.space] = max(one.value, best.get(one.point.space, one.value))
    return sorted(best, key=lambda space: (-best[space], space))


def facts_of(
    records: Sequence[Record],
    report: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    device_gb: float,
) -> Facts:
    """Facts of a job: its training records, the report of data.json, the parameters it fixes."""
    sides = [min(record.size_hw) for record in records if record.size_hw is not None]
    return Facts(
        device_gb=device_gb,
        pretrained=starts_from_weights(given),
        images=len(records),
        side_px=float(median(sides)) if sides else 0.0,
        object_ratio=report["train"].get("object_side_ratio", {}).get("p10", 1.0),
    )


def starts_from_weights(given: Mapping[str, Any]) -> float:
    """1 if a job's networks start from weights, 0 if they start at random."""
    return float(bool(given.get("pretrained", True) or given.get("weights")))
