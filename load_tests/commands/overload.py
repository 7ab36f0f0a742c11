"""What a server does with more than it can do: goodput, rejections, recovery."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import typer

from load_tests.client import Target, check
from load_tests.loops import closed_loop, open_loop, poisson
from load_tests.options import Images, Out, Seed, Timeout, Url
from load_tests.outcomes import Measurement, Outcome
from load_tests.payloads import as_json, photos_from
from load_tests.plot import Plot
from load_tests.report import Report, reporting
from load_tests.summary import summarize

_CAPACITY_S = 8.0
_QUIET_SHARE = 0.2  # of the capacity: a load under which nothing queues
_QUIET_S = 10.0


def overload(
    url: Url,
    images: Images = None,
    factor: Annotated[float, typer.Option(min=1.0, help="Offered load ÷ capacity.")] = 3.0,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds of overload.")] = 30.0,
    clients: Annotated[int, typer.Option(min=1, help="Clients that find the capacity.")] = 32,
    timeout: Timeout = 60.0,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Open loop past the capacity, with a light load before and after it.

    Every rejection must be 429 or 503 with Retry-After, and no accepted request may be lost.
    """
    payloads = [as_json(photo) for photo in photos_from(images)]
    target = Target(url, timeout_s=timeout)
    check(target, payloads[0])
    rng = np.random.default_rng(seed)
    with reporting("overload", out, url=url) as report:
        free = asyncio.run(closed_loop(target, payloads, clients=clients, duration_s=_CAPACITY_S))
        capacity = _added(report, "capacity", free)
        if not capacity:
            report.checks["the server answers under a closed load"] = False
            return
        quiet = _QUIET_SHARE * capacity
        before = asyncio.run(
            open_loop(target, payloads, poisson(quiet, _QUIET_S, rng), duration_s=_QUIET_S)
        )
        _added(report, "quiet", before)
        # One schedule, so that the light load begins while the queue is still full.
        flood = poisson(factor * capacity, duration, rng)
        after = duration + poisson(quiet, _QUIET_S, rng)
        both = asyncio.run(
            open_loop(target, payloads, np.concatenate([flood, after]), duration_s=duration)
        )
        _judge(report, both, before, capacity=capacity, overload_s=duration)


def _judge(
    report: Report,
    both: Measurement,
    before: Measurement,
    *,
    capacity: float,
    overload_s: float,
) -> None:
    end_s = both.begin_s + overload_s
    outcomes = sorted(both.outcomes, key=lambda outcome: outcome.scheduled_s)
    flood = [outcome for outcome in outcomes if outcome.scheduled_s < end_s]
    after = [outcome for outcome in outcomes if outcome.scheduled_s >= end_s]
    measured = Measurement(flood, both.begin_s, both.seconds, both.client_cpu_s, both.interrupted)
    goodput = _added(report, "overload", measured)
    report.findings["goodput ÷ capacity"] = goodput / capacity
    report.findings["rejected"] = sum(outcome.is_honest_rejection for outcome in flood)
    limit_s = 2.0 * max((o.latency_s for o in before.due if o.ok), default=0.0)
    recovery = recovery_s(after, end_s=end_s, limit_s=limit_s)
    report.findings["seconds to recover"] = "did not" if recovery is None else recovery
    lost = [o.code for o in flood if not o.ok and not o.is_honest_rejection]
    report.findings["neither answered nor rejected properly"] = len(lost)
    report.checks["every request is answered, or rejected with 429/503 and Retry-After"] = not lost
    report.checks["the server recovers"] = recovery is not None
    report.plot = _plot(flood + after, both.begin_s)


def recovery_s(after: Sequence[Outcome], *, end_s: float, limit_s: float) -> float | None:
    """Seconds after `end_s` from which on all requests are good and within `limit_s`.

    `after` are the requests of the light load in order of time. None: not within that load.
    """
    slow = [i for i, o in enumerate(after) if not o.ok or o.latency_s > limit_s]
    first_good = slow[-1] + 1 if slow else 0
    return after[first_good].scheduled_s - end_s if first_good < len(after) else None


def _added(report: Report, phase: str, measured: Measurement) -> float:
    summary = summarize(measured)
    report.add({"phase": phase, **summary.row()})
    if measured.interrupted:
        raise KeyboardInterrupt
    return summary.requests_per_s


def _plot(outcomes: Sequence[Outcome], begin_s: float) -> Plot:
    def points(ok: bool) -> list[tuple[float, float]]:
        chosen = [outcome for outcome in outcomes if outcome.ok == ok]
        return [(o.scheduled_s - begin_s, 1000.0 * o.latency_s) for o in chosen]

    lines = {"answered": points(True), "rejected or lost": points(False)}
    return Plot("seconds", {"latency, ms": lines})
