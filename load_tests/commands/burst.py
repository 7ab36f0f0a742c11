"""Many requests in one instant, and what a lone one finds after them."""

import asyncio
from statistics import median
from typing import Annotated

import numpy as np
import typer

from load_tests.client import Target, ask, check
from load_tests.loops import open_loop
from load_tests.options import Images, Out, Rounds, Timeout, Url
from load_tests.payloads import as_json, photos_from
from load_tests.report import reporting
from load_tests.summary import summarize

_LONE = 10


def burst(
    url: Url,
    images: Images = None,
    size: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 12,
    rounds: Rounds = 5,
    timeout: Timeout = 60.0,
    out: Out = None,
) -> None:
    """--size requests at once, then a lone one: all must be answered, and it must not wait."""
    payloads = [as_json(photo) for photo in photos_from(images)]
    target = Target(url, timeout_s=timeout)
    check(target, payloads[0])
    with reporting("burst", out, url=url) as report:
        lone_s = median(ask(target, payloads[0]).latency_s for _ in range(_LONE))
        delays_ms = []
        for turn in range(rounds):
            measured = asyncio.run(open_loop(target, payloads, np.zeros(size), duration_s=1.0))
            after = ask(target, payloads[0])
            delays_ms.append(1000.0 * (after.latency_s - lone_s))
            report.add({"round": turn, **summarize(measured).row(), "delay_ms": delays_ms[-1]})
            if measured.interrupted:
                raise KeyboardInterrupt
        report.findings["a lone request before, ms"] = 1000.0 * lone_s
        report.findings["delay of a lone request after the burst, ms"] = median(delays_ms)
        report.checks["every request of the bursts was answered"] = all(
            row["errors"] == 0 for row in report.rows
        )
