"""How throughput and latency grow with the number of clients."""

import asyncio

from load_tests.client import Target, check
from load_tests.loops import closed_loop
from load_tests.options import Duration, Images, Out, Timeout, Url, numbers
from load_tests.payloads import as_json, photos_from
from load_tests.plot import Plot
from load_tests.report import Report, reporting
from load_tests.server_side import batch_buckets, batch_histogram, stages_ms
from load_tests.summary import summarize


def sweep(
    url: Url,
    images: Images = None,
    clients: str = "1,2,4,8,16,32,64",
    duration: Duration = 10.0,
    timeout: Timeout = 60.0,
    out: Out = None,
) -> None:
    """Closed loop: each client sends its next request when the last one is answered."""
    counts = numbers(clients)
    payloads = [as_json(photo) for photo in photos_from(images)]
    target = Target(url, timeout_s=timeout)
    check(target, payloads[0])
    with reporting("sweep", out, url=url) as report:
        for count in counts:
            before = batch_buckets(url)
            measured = asyncio.run(
                closed_loop(target, payloads, clients=count, duration_s=duration)
            )
            report.add(
                {
                    "clients": count,
                    **summarize(measured).row(),
                    "batches": batch_histogram(before, batch_buckets(url)),
                    "stages_ms": stages_ms(measured.due),
                }
            )
            report.plot = _plot(report)
            if measured.interrupted:
                raise KeyboardInterrupt
        best = max(report.rows, key=lambda row: row["images_per_s"])
        report.findings["most images/s"] = f"{best['images_per_s']:.1f} at {best['clients']}"


def _plot(report: Report) -> Plot:
    def line(name: str) -> list[tuple[float, float]]:
        return [(row["clients"], row[name]) for row in report.rows]

    return Plot(
        "clients",
        {
            "images/s": {"images/s": line("images_per_s")},
            "latency, ms": {"p50": line("p50_ms"), "p99": line("p99_ms")},
        },
        log_x=True,
    )
