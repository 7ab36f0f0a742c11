"""Early termination: which trials of a sweep are not worth going on with.

Pure functions of a table of metrics, higher is better: `table[trial]` holds the trial's reports of
the primary metric in order, so that interval k (counted from 1) is `table[trial][k - 1]`.
"""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import fmean, median
from typing import Protocol

Table = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class When:
    """The intervals at which a policy is applied; 0 as evaluation_interval counts as 1."""

    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def applies(self, k: int) -> bool:
        """Whether interval `k` is one of them."""
        return k % max(1, self.evaluation_interval) == 0 and k >= self.delay_evaluation


class Policy(Protocol):
    """Decides about a trial when it reports."""

    @property
    def when(self) -> When:
        """The intervals at which the rule holds."""
        ...

    def reason(self, table: Table, trial: str, k: int, finished: AbstractSet[str]) -> str:
        """Say why `trial` should stop at interval `k`; empty if it should not.

        `finished` are the trials that will report no more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Bandit:
    """Stop what falls behind the best trial by more than a slack; one of the two is given.

    With slack_factor s the limit is best / (1 + s), for a negative best, which that would raise,
    best · (1 + s).
    """

    when: When
    slack_factor: float | None = None
    slack_amount: float | None = None

    def reason(self, table: Table, trial: str, k: int, finished: AbstractSet[str]) -> str:
        """Compare best metrics up to `k`."""
        best = max(_best(reports, k) for reports in table.values())
        own, limit = _best(table[trial], k), self._limit(best)
        return f"{own:.4g} is below {limit:.4g}, the best being {best:.4g}" if own < limit else ""

    def _limit(self, best: float) -> float:
        if self.slack_amount is not None:
            return best - self.slack_amount
        factor = 1 + (self.slack_factor or 0)
        return best / factor if best >= 0 else best * factor


@dataclass(frozen=True, slots=True)
class MedianStopping:
    """Stop what at its best is worse than the median of all trials' running averages."""

    when: When

    def reason(self, table: Table, trial: str, k: int, finished: AbstractSet[str]) -> str:
        """Compare the trial's best up to `k` with averages over the intervals 1…k.

        A trial that has fewer reports is averaged over those it has; one without is left out.
        """
        averages = [fmean(map(_number, reports[:k])) for reports in table.values() if reports]
        own, middle = _best(table[trial], k), median(averages)
        return f"{own:.4g} is below {middle:.4g}, the median of averages" if own < middle else ""


@dataclass(frozen=True, slots=True)
class TruncationSelection:
    """Stop the worst `percentage` (1…99) of all trials at an interval, never the best one.

    Of trials that are equal the older one is ranked higher.
    """

    when: When
    percentage: int
    exclude_finished: bool = False

    def reason(self, table: Table, trial: str, k: int, finished: AbstractSet[str]) -> str:
        """Rank the trials that have reported at `k` by that report."""
        ranked = [
            other
            for other, reports in table.items()
            if len(reports) >= k and not (self.exclude_finished and other in finished)
        ]
        ranked.sort(key=lambda other: -_number(table[other][k - 1]))
        count = len(ranked) * self.percentage // 100
        if count == 0 or trial not in ranked[1:][-count:]:
            return ""
        return f"among the lowest {count} of {len(ranked)} at interval {k}"


def reason_to_stop(
    policy: Policy | None,
    table: Table,
    trial: str,
    k: int,
    *,
    finished: AbstractSet[str] = frozenset(),
) -> str:
    """Say why `trial`, which has reported interval `k`, should stop; empty if it should not."""
    if policy is None or not policy.when.applies(k):
        return ""
    return policy.reason(table, trial, k, finished)


def _best(reports: Sequence[float], k: int) -> float:
    return max(map(_number, reports[:k]), default=-math.inf)


def _number(report: float) -> float:
    """A metric that is no number is worse than any."""
    return -math.inf if math.isnan(report) else report
