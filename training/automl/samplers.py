"""Samplers: which point of the space is drawn next.

A sampler is a function of its seed, the number of the draw and what trials have shown so far; it
keeps no state, so that a resumed sweep goes on as an uninterrupted one. Random, Sobol and grid do
not look at the trials: what they draw does not depend on the order in which trials finish.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Protocol

import numpy as np

from training.automl.spaces import Point, Space, point_at


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of a trial's point: its best metric so far, None if it has reported none."""

    point: Point
    value: float | None
    is_running: bool = False


class Sampler(Protocol):
    """Chooses points."""

    def draw(self, index: int, seen: Sequence[Observation]) -> Point | None:
        """Return the point of draw `index`, counted from 0; None when all have been drawn."""
        ...


@dataclass(frozen=True, slots=True)
class RandomSampler:
    """Every sub-space equally likely, every value independent."""

    space: Space
    seed: int

    def draw(self, index: int, seen: Sequence[Observation]) -> Point:
        """Return a point that depends on seed and index alone."""
        rng = np.random.default_rng((self.seed, index))
        chosen = int(rng.integers(len(self.space)))
        return point_at(self.space, chosen, rng.random(len(self.space[chosen])).tolist())


@dataclass(frozen=True, slots=True)
class SobolSampler:
    """A scrambled Sobol sequence (Owen 1998): spreads more evenly than independent draws.

    One dimension chooses the sub-space; each has dimensions of its own.
    """

    space: Space
    seed: int

    def draw(self, index: int, seen: Sequence[Observation]) -> Point:
        """Return point `index` of the sequence."""
        from scipy.stats import qmc  # a second to import, and most sweeps do without

        sizes = [len(sub_space) for sub_space in self.space]
        sequence = qmc.Sobol(1 + sum(sizes), rng=np.random.default_rng(self.seed))
        if index:  # fast_forward(0) fails
            sequence.fast_forward(index)
        u = sequence.random(1)[0].tolist()
        chosen = min(int(u[0] * len(sizes)), len(sizes) - 1)
        start = 1 + sum(sizes[:chosen])
        return point_at(self.space, chosen, u[start : start + sizes[chosen]])


@dataclass(frozen=True, slots=True)
class GridSampler:
    """Every combination once, sub-space after sub-space, the last hyperparameter fastest.

    The space must consist of choices.
    """

    space: Space

    def draw(self, index: int, seen: Sequence[Observation]) -> Point | None:
        """Return combination `index`, or None after the last."""
        for chosen, sub_space in enumerate(self.space):
            options = [one.probes() for one in sub_space.values()]
            size = prod(len(values) for values in options)
            if index < size:
                values = next(islice(product(*options), index, None))
                return Point(chosen, dict(zip(sub_space, values, strict=True)))
            index -= size
        return None
