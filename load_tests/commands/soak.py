"""Whether memory grows under hours of mixed traffic."""

import asyncio
import time
from collections.abc import Sequence
from threading import Event, Thread
from typing import Annotated

import numpy as np
import psutil
import typer

from load_tests.client import Target, check
from load_tests.errors import UsageError
from load_tests.loops import closed_loop
from load_tests.options import Images, Out, Timeout, Url
from load_tests.payloads import Payload, Photo, as_json, as_many, as_raw, damaged, photos_from
from load_tests.plot import Plot
from load_tests.process_tree import tree_mb
from load_tests.report import reporting
from load_tests.summary import summarize

_EVERY_S = 1.0
_WARM_UP_SHARE = 0.2  # of the run: caches and allocators fill


def soak(
    url: Url,
    pid: Annotated[int, typer.Option(help="Process of the server; its children count too.")],
    images: Images = None,
    minutes: Annotated[float, typer.Option(min=0.01)] = 20.0,
    clients: Annotated[int, typer.Option(min=1)] = 4,
    explain: Annotated[bool, typer.Option(help="One request in 40 wants an explanation.")] = False,
    max_slope: Annotated[float, typer.Option(help="MB/min after warm-up that still passes.")] = 1.0,
    timeout: Timeout = 180.0,
    out: Out = None,
) -> None:
    """All forms of requests, damaged ones too, while the server's memory is watched."""
    photos = photos_from(images)
    target = Target(url, timeout_s=timeout)
    check(target, as_json(photos[0]))
    if not psutil.pid_exists(pid):
        raise UsageError(f"--pid {pid}: there is no such process")
    with reporting("soak", out, url=url) as report:
        with _Watch(pid) as watch:
            measured = asyncio.run(
                closed_loop(
                    target,
                    mixed(photos, explain=explain),
                    clients=clients,
                    duration_s=60.0 * minutes,
                )
            )
        points = watch.points
        report.add({"clients": clients, **summarize(measured).row()})
        slope = slope_mb_per_min(points)
        report.findings["memory at the begin, MB"] = points[0][1]
        report.findings["memory at the end, MB"] = points[-1][1]
        report.findings["most memory, MB"] = max(megabytes for _, megabytes in points)
        report.findings["slope after warm-up, MB/min"] = slope
        report.checks[f"memory grows by at most {max_slope:g} MB/min"] = slope <= max_slope
        unexpected = [o.code for o in measured.due if o.payload.good and not o.ok]
        report.checks["no good request failed"] = not unexpected
        report.plot = Plot("seconds", {"memory, MB": {"RSS of all processes": points}})
        if measured.interrupted:
            raise KeyboardInterrupt


def mixed(photos: Sequence[Photo], *, explain: bool) -> list[Payload]:
    """40 requests: base64, raw bytes, many images, a damaged one, an explanation if wanted."""
    turns = [photos[turn % len(photos)] for turn in range(40)]
    payloads = [(as_json, as_raw)[turn % 2](photo) for turn, photo in enumerate(turns)]
    payloads[10] = as_many(turns[:4])
    payloads[20] = damaged(photos)[0]
    if explain:
        payloads[30] = as_json(turns[0], model_explainability=True)
    return payloads


def slope_mb_per_min(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope of (seconds, MB) points, the first fifth of the time left out."""
    seconds, megabytes = np.asarray(points, np.float64).T
    start = seconds[0] + _WARM_UP_SHARE * (seconds[-1] - seconds[0])
    late = seconds >= start
    if late.sum() < 2:
        return 0.0
    return float(60.0 * np.polyfit(seconds[late], megabytes[late], 1)[0])


class _Watch:
    """Reads a process tree's memory every second in a thread of its own."""

    def __init__(self, pid: int) -> None:
        self.points: list[tuple[float, float]] = []
        self._pid = pid
        self._begin = time.perf_counter()
        self._end = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Watch":
        self._read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(_EVERY_S):
            try:
                self._read()
            except psutil.NoSuchProcess:  # the server died; its requests fail and say so
                return

    def _read(self) -> None:
        self.points.append((time.perf_counter() - self._begin, tree_mb(self._pid)))
