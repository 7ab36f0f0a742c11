"""Distributions of hyperparameters, each a quantile function.

`at(u)` maps u in [0, 1) to a value, `position(value)` maps back. Every sampler therefore works in
the unit cube, where a uniform draw has the distribution that was asked for.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

_TAIL = 1e-12  # the quantiles 0 and 1 of a normal distribution are infinite
_PROBE = 0.381966  # no round share of any range: a whole number there is no chance


class Distribution(Protocol):
    """What a hyperparameter is drawn from."""

    def at(self, u: float) -> Any:
        """Return the value at quantile `u` in [0, 1)."""
        ...

    def position(self, value: Any) -> float:
        """Return a quantile whose value is `value`."""
        ...

    @property
    def size(self) -> int | None:
        """How many values there are; None where they are not counted."""
        ...

    def probes(self) -> tuple[Any, ...]:
        """Values that a hyperparameter must accept: all of few, else the ends and one between."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `values`, all equally likely; a single value is a constant."""

    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """Return the value whose share of [0, 1) holds `u`."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def position(self, value: Any) -> float:
        """Return the middle of the value's share. Raises ValueError for any other value."""
        return (self.values.index(value) + 0.5) / len(self.values)

    @property
    def size(self) -> int | None:
        """The number of values."""
        return len(self.values)

    def probes(self) -> tuple[Any, ...]:
        """All values."""
        return self.values


@dataclass(frozen=True, slots=True)
class Randint:
    """A whole number from 0 to `upper` - 1."""

    upper: int

    def at(self, u: float) -> int:
        """Return the number whose share of [0, 1) holds `u`."""
        return min(int(u * self.upper), self.upper - 1)

    def position(self, value: Any) -> float:
        """Return the middle of the number's share."""
        return (value + 0.5) / self.upper

    @property
    def size(self) -> int | None:
        """The number of numbers."""
        return self.upper

    def probes(self) -> tuple[Any, ...]:
        """The smallest and the largest."""
        return (0, self.upper - 1)


@dataclass(frozen=True, slots=True)
class Uniform:
    """A number between two bounds."""

    min_value: float
    max_value: float

    def at(self, u: float) -> float:
        """Return the quantile."""
        return self.min_value + u * (self.max_value - self.min_value)

    def position(self, value: Any) -> float:
        """Return the share of the range below `value`, 0…1."""
        width = self.max_value - self.min_value
        return min(max((value - self.min_value) / width, 0.0), 1.0) if width else 0.5

    @property
    def size(self) -> int | None:
        """Not counted."""
        return None

    def probes(self) -> tuple[Any, ...]:
        """Both ends and a number between."""
        return (self.at(0), self.at(_PROBE), self.at(1))


@dataclass(frozen=True, slots=True)
class Normal:
    """A number around `mu` with the standard deviation `sigma`."""

    mu: float
    sigma: float

    def at(self, u: float) -> float:
        """Return the quantile."""
        return NormalDist(self.mu, self.sigma).inv_cdf(min(max(u, _TAIL), 1 - _TAIL))

    def position(self, value: Any) -> float:
        """Return the probability of a smaller number."""
        # NormalDist.cdf loses the digits of the lower tail, where it subtracts from 1
        return 0.5 * math.erfc((self.mu - value) / (self.sigma * math.sqrt(2.0)))

    @property
    def size(self) -> int | None:
        """Not counted."""
        return None

    def probes(self) -> tuple[Any, ...]:
        """A number near the middle: the tails have no end, and what does not fit is redrawn."""
        return (self.at(_PROBE),)


@dataclass(frozen=True, slots=True)
class Exponential:
    """exp(x) with x from `exponent`: loguniform's and lognormal's bounds are exponents."""

    exponent: Uniform | Normal

    def at(self, u: float) -> float:
        """Return the quantile."""
        return math.exp(self.exponent.at(u))

    def position(self, value: Any) -> float:
        """Return the exponent's position."""
        return self.exponent.position(math.log(value)) if value > 0 else 0.0

    @property
    def size(self) -> int | None:
        """Not counted."""
        return None

    def probes(self) -> tuple[Any, ...]:
        """The exponent's probes."""
        return tuple(math.exp(x) for x in self.exponent.probes())


@dataclass(frozen=True, slots=True)
class Quantized:
    """round(x / q) · q with x from `base`."""

    base: Uniform | Normal | Exponential
    q: float

    def at(self, u: float) -> float:
        """Return the multiple of q."""
        return self._rounded(self.base.at(u))

    def position(self, value: Any) -> float:
        """Return the base's position."""
        return self.base.position(value)

    @property
    def size(self) -> int | None:
        """The number of multiples between two bounds; None where there are no bounds."""
        probes = self.base.probes()
        if len(probes) == 1:
            return None
        return round(probes[-1] / self.q) - round(probes[0] / self.q) + 1

    def probes(self) -> tuple[Any, ...]:
        """The base's probes as multiples of q."""
        return tuple(self._rounded(x) for x in self.base.probes())

    def _rounded(self, x: float) -> float:
        return float(
            f"{round(x / self.q) * self.q:.12g}"
        )  # 3 · 0.1 is 0.3, not 0.30000000000000004
