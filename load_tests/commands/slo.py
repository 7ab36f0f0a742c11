"""The highest rate at which the server keeps a promise about its latency."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer

from load_tests.client import Target, check
from load_tests.loops import open_loop, poisson
from load_tests.options import Duration, Images, Out, Seed, Timeout, Url
from load_tests.payloads import as_json, photos_from
from load_tests.plot import Plot
from load_tests.report import reporting
from load_tests.summary import Summary, summarize

MAX_ERROR_SHARE = 0.001
_MAX_RATE = 100_000.0


def slo(
    url: Url,
    images: Images = None,
    p99_ms: Annotated[float, typer.Option(min=0.1, help="The promise, in milliseconds.")] = 200.0,
    start: Annotated[float, typer.Option(min=0.1, help="The first rate, requests/s.")] = 5.0,
    precision: Annotated[float, typer.Option(min=0.01, help="Relative, of the rate.")] = 0.05,
    duration: Duration = 15.0,
    timeout: Timeout = 30.0,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """The highest Poisson rate with p99 under --p99-ms and errors under 0.1 %.

    Latency counts from when a request was due, so a stalled server cannot hide its queue.
    """
    payloads = [as_json(photo) for photo in photos_from(images)]
    target = Target(url, timeout_s=timeout)
    check(target, payloads[0])
    rng = np.random.default_rng(seed)
    with reporting("slo", out, url=url) as report:

        def keeps(rate: float) -> bool:
            arrivals = poisson(rate, duration, rng)
            measured = asyncio.run(open_loop(target, payloads, arrivals, duration_s=duration))
            summary = summarize(measured)
            kept = keeps_promise(summary, p99_ms=p99_ms)
            report.add({"rate": rate, "kept": kept, **summary.row()})
            rows = sorted(report.rows, key=lambda row: row["rate"])
            report.plot = Plot(
                "offered requests/s",
                {"latency, ms": {n: [(r["rate"], r[n]) for r in rows] for n in _LINES}},
            )
            if measured.interrupted:
                raise KeyboardInterrupt
            return kept

        rate = highest_rate(keeps, start=start, precision=precision)
        report.findings[f"highest rate with p99 <= {p99_ms:g} ms, requests/s"] = rate


_LINES = ("p50_ms", "p99_ms")


def keeps_promise(summary: Summary, *, p99_ms: float) -> bool:
    """Whether p99 and the errors are within their limits; no good answer at all is not."""
    return summary.ok > 0 and summary.p99_ms <= p99_ms and summary.error_share < MAX_ERROR_SHARE


def highest_rate(keeps: Callable[[float], bool], *, start: float, precision: float) -> float:
    """Double from `start` until `keeps` fails, then bisect until high / low <= 1 + precision.

    When even `start` fails the search goes down to a hundredth of it; 0 means that all failed.
    """
    low, high = 0.0, start
    while keeps(high):
        low, high = high, 2.0 * high
        if high > _MAX_RATE:
            return low
    while low == 0.0:
        if high < start / 100.0:
            return 0.0
        half = high / 2.0
        low, high = (half, high) if keeps(half) else (0.0, half)
    while high / low > 1.0 + precision:
        middle = (low + high) / 2.0
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low
