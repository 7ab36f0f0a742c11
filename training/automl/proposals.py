"""What the next trial is to try: a draw that is valid and that no trial has had."""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from inference.errors import UsageError
from training.automl.samplers import Observation, Sampler
from training.automl.spaces import Point

# So many draws in a row that are invalid or known end a sweep: its space is exhausted.
ATTEMPTS = 1000
Parameters = dict[str, Any]
Complete = Callable[[Mapping[str, Any]], Parameters]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point, the number of its draw, and all hyperparameters that follow from it."""

    draw: int
    point: Point
    parameters: Parameters

    def to_json(self) -> dict[str, Any]:
        """What a trial's params.json keeps of the draw."""
        return {"draw": self.draw, "space": self.point.space, "values": dict(self.point.values)}


class Proposer:
    """Draws points; `complete` fills a point's values up and raises UsageError if they clash."""

    def __init__(self, sampler: Sampler, complete: Complete) -> None:
        self._sampler = sampler
        self._complete = complete

    def __call__(
        self, last_draw: int, seen: Sequence[Observation], known: AbstractSet[str]
    ) -> Proposal | None:
        """Return the next proposal after draw `last_draw` (-1 at the start); None if none is left.

        Combinations that clash (a crop larger than its image) are passed over, and so are those
        whose identity is `known`.
        """
        for draw in range(last_draw + 1, last_draw + 1 + ATTEMPTS):
            point = self._sampler.draw(draw, seen)
            if point is None:
                return None
            if identity(point.values) in known:
                continue
            try:
                return Proposal(draw, point, self._complete(point.values))
            except UsageError:
                continue
        return None


def identity(values: Mapping[str, Any]) -> str:
    """The same text for the same values."""
    return json.dumps(values, sort_keys=True, default=str)
