"""From outcomes to the figures of a report."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from load_tests.outcomes import Measurement

_PERCENTILES = ("50", "90", "95", "99", "99.9", "100")  # exact as fractions


@dataclass(frozen=True, slots=True)
class Summary:
    """Latencies are those of good answers, in milliseconds; rates count good answers in time.

    A latency without any good answer is NaN. client_cpu_ms is the load generator's own cost.
    """

    requests: int
    ok: int
    errors: int
    codes: dict[str, int]
    requests_per_s: float
    images_per_s: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    client_cpu_ms: float

    @property
    def error_share(self) -> float:
        """Errors per request; 0 when there was no request."""
        return self.errors / self.requests if self.requests else 0.0

    def row(self) -> dict[str, Any]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def percentiles_ms(latencies_s: Sequence[float]) -> tuple[float, ...]:
    """p50, p90, p95, p99, p99.9 and the maximum: each a latency that occurred (nearest rank)."""
    if not latencies_s:
        return (math.nan,) * len(_PERCENTILES)
    ordered = sorted(latencies_s)
    ranks = (math.ceil(Fraction(share) * len(ordered) / 100) for share in _PERCENTILES)
    return tuple(1000.0 * ordered[rank - 1] for rank in ranks)


def summarize(measurement: Measurement) -> Summary:
    """Count and rank one measurement."""
    due = measurement.due
    good = [outcome for outcome in due if outcome.ok]
    in_time = measurement.good_in_time
    seconds = measurement.seconds or math.nan
    p50, p90, p95, p99, p999, most = percentiles_ms([outcome.latency_s for outcome in good])
    return Summary(
        requests=len(due),
        ok=len(good),
        errors=len(due) - len(good),
        codes=dict(sorted(Counter(outcome.code for outcome in due).items())),
        requests_per_s=len(in_time) / seconds,
        images_per_s=sum(outcome.payload.images for outcome in in_time) / seconds,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        p999_ms=p999,
        max_ms=most,
        client_cpu_ms=1000.0 * measurement.client_cpu_s / max(1, len(measurement.outcomes)),
    )
