"""Photos of different sizes at once, for detectors; two servers can take turns."""

import asyncio
from collections.abc import Sequence
from statistics import median
from typing import Annotated, Any

import orjson
import typer

from load_tests.answers import changed_answers
from load_tests.client import Target, check
from load_tests.loops import closed_loop
from load_tests.options import Duration, Images, Out, Rounds, Timeout, numbers
from load_tests.outcomes import Measurement
from load_tests.payloads import as_json, photos_from, resized
from load_tests.report import Report, reporting
from load_tests.server_side import batch_buckets, batch_histogram, stages_ms
from load_tests.summary import percentiles_ms, summarize


def detect(
    url: Annotated[
        list[str], typer.Option(help="Address; several take turns: batching on and off.")
    ],
    images: Images = None,
    sizes: Annotated[str, typer.Option(help="Long sides in pixels.")] = "320,480,640,1024",
    tiles: Annotated[str | None, typer.Option(help="tile_grid_size of the requests: 3x2.")] = None,
    clients: Annotated[int, typer.Option(min=1)] = 16,
    rounds: Rounds = 2,
    duration: Duration = 15.0,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Relative, of the answers.")] = 1e-3,
    timeout: Timeout = 120.0,
    out: Out = None,
) -> None:
    """Photos of several sizes side by side: the answers must be those given alone."""
    sides = numbers(sizes)
    extra: dict[str, Any] = {"settings": {"tile_grid_size": tiles}} if tiles else {}
    photos = [resized(photo, side) for photo in photos_from(images)[:8] for side in sides]
    payloads = [as_json(photo, **extra) for photo in photos]
    targets = {address: Target(address, timeout_s=timeout) for address in url}
    alone = {
        address: {payload.name: orjson.loads(check(target, payload).body) for payload in payloads}
        for address, target in targets.items()
    }
    with reporting("detect", out, url=url[0]) as report:
        for turn in range(rounds):
            for address in url:
                before = batch_buckets(address)
                measured = asyncio.run(
                    closed_loop(
                        targets[address],
                        payloads,
                        clients=clients,
                        duration_s=duration,
                        keep_body=True,
                    )
                )
                changed = changed_answers(measured.outcomes, alone[address], tolerance=tolerance)
                report.add(
                    {
                        **{"round": turn, "server": address, "clients": clients},
                        **summarize(measured).row(),
                        "p50_ms by size": {str(side): _p50_ms(measured, side) for side in sides},
                        "differ": len(changed),
                        "batches": batch_histogram(before, batch_buckets(address)),
                        "stages_ms": stages_ms(measured.due),
                    }
                )
                if measured.interrupted:
                    raise KeyboardInterrupt
        _compare(report, url)


def _p50_ms(measured: Measurement, side: int) -> float:
    """Median latency of the photos of one size."""
    latencies = [
        outcome.latency_s
        for outcome in measured.due
        if outcome.ok and outcome.payload.name.startswith(f"{side}-")
    ]
    return percentiles_ms(latencies)[0]


def _compare(report: Report, addresses: Sequence[str]) -> None:
    """Add what the rows say of the servers, the first one against each of the others."""
    rates = {
        address: median(r["images_per_s"] for r in report.rows if r["server"] == address)
        for address in addresses
    }
    report.findings["images/s"] = rates
    report.checks["answers equal those given alone"] = not any(row["differ"] for row in report.rows)
    first, *others = addresses
    for address in others:
        report.findings[f"{first} ÷ {address}"] = rates[first] / rates[address]
