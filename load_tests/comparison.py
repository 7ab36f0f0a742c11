"""The turns of a comparison, and what their figures say about ours."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from load_tests.answers import difference
from load_tests.client import Target, check
from load_tests.contestants import OURS, Contestant
from load_tests.errors import UsageError
from load_tests.loops import closed_loop
from load_tests.outcomes import Measurement
from load_tests.payloads import Photo
from load_tests.plot import Plot
from load_tests.process_tree import tree_cpu_s
from load_tests.processes import RunningServer, running_server
from load_tests.report import CONSOLE, Report
from load_tests.server_side import batch_buckets, batch_histogram, info, stages_ms
from load_tests.summary import summarize

LIMIT = "in-process"
TOLERANCE = 0.02  # relative to the largest probability: bfloat16 and decoders differ that much
_CHECKED = 4  # photos
_WARM_UP_S = 2.0
_WARM_UP_CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Contest:
    """What every contestant gets. `limit_options` give the in-process limit the same photos."""

    model: Path
    photos: Sequence[Photo]
    clients: Sequence[int]
    duration_s: float
    port: int = 0
    limit_options: Sequence[str] = ()
    device: str = "cpu"


def check_answers(contest: Contest, contestants: Sequence[Contestant], report: Report) -> None:
    """Start every server once. Raises UsageError when two answer the same photo differently."""
    photos = contest.photos[:_CHECKED]
    answers: dict[str, list[Any]] = {}
    for contestant in contestants:
        with _running(contest, contestant, report) as server:
            target = Target(server.base_url)
            outcomes = [check(target, contestant.payload(photo)) for photo in photos]
            answers[contestant.name] = [orjson.loads(outcome.body) for outcome in outcomes]
            if contestant.name.startswith(OURS):
                report.about[contestant.name] = info(server.base_url)
    first, *others = answers
    for other in others:
        gap = max(difference(a, b) for a, b in zip(answers[first], answers[other], strict=True))
        report.findings[f"answers of {other} against {first}, relative difference"] = gap
        if gap > TOLERANCE:
            raise UsageError(
                f"{other} answers the same photos otherwise than {first} (relative difference "
                f"{gap:.3g}, allowed {TOLERANCE}); their times cannot be compared"
            )
    apart = min((difference(answers[first][0], b) for b in answers[first][1:]), default=0.0)
    report.findings["answers to different photos, relative difference"] = apart
    if apart <= TOLERANCE:
        CONSOLE.print("the model answers different photos alike, so equal answers prove little")
    CONSOLE.print(f"{len(answers)} servers give the same answers to {len(photos)} photos")


def run_rounds(
    contest: Contest, contestants: Sequence[Contestant], report: Report, *, rounds: int
) -> None:
    """Measure every contestant in every round, one at a time, and the limit after them."""
    for turn in range(rounds):
        for contestant in contestants:
            with _running(contest, contestant, report) as server:
                _measure(contest, contestant, server, report, turn=turn)
        report.add({"round": turn, "server": LIMIT, "images_per_s": _limit(contest)})


def summarize_contest(contest: Contest, report: Report) -> None:
    """Medians over the rounds, and our ratios to the best baseline and to the limit."""
    measured = list(dict.fromkeys(row["server"] for row in report.rows))
    for clients in contest.clients:
        names = [name for name in measured if _values(report, name, clients)]
        rates = {name: median(_values(report, name, clients)) for name in names}
        peers = {n: rate for n, rate in rates.items() if n != LIMIT and not n.startswith(OURS)}
        best = max(peers, key=peers.__getitem__, default=None)
        for name in names:
            values = _values(report, name, clients)
            report.table.append(
                {
                    "clients": clients,
                    "server": name,
                    "images/s": rates[name],
                    "min…max": f"{min(values):.1f}…{max(values):.1f}",
                    "p50 ms": _middle(report, name, clients, "p50_ms"),
                    "p99 ms": _middle(report, name, clients, "p99_ms"),
                    "CPU ms/image": _middle(report, name, clients, "server_cpu_ms"),
                    "errors": sum(_values(report, name, clients, "errors")),
                    "÷ best peer": _ratio(report, name, best, clients),
                    "÷ in-process": _ratio(report, name, LIMIT, clients),
                }
            )
        if best is not None:
            report.findings[f"best peer at {clients} clients"] = best
    lines = {
        name: [(r["clients"], r["images/s"]) for r in report.table if r["server"] == name]
        for name in measured
        if name != LIMIT
    }
    if report.table:
        report.plot = Plot("clients", {"images/s": lines}, log_x=True)


def _running(
    contest: Contest, contestant: Contestant, report: Report
) -> AbstractContextManager[RunningServer]:
    return running_server(
        contestant.command,
        log=report.folder / f"{contestant.name.replace(' ', '-')}.log",
        port=contest.port,
        ready_path=contestant.ready_path,
        environment={"OMP_WAIT_POLICY": "PASSIVE", **contestant.environment},
    )


def _measure(
    contest: Contest, contestant: Contestant, server: RunningServer, report: Report, *, turn: int
) -> None:
    target = Target(server.base_url)
    payloads = [contestant.payload(photo) for photo in contest.photos]
    asyncio.run(
        closed_loop(target, payloads, clients=_WARM_UP_CLIENTS, duration_s=_WARM_UP_S, warmup_s=0)
    )
    for clients in contest.clients:
        before, cpu_before_s = batch_buckets(server.base_url), tree_cpu_s(server.pid)
        measured = asyncio.run(
            closed_loop(target, payloads, clients=clients, duration_s=contest.duration_s)
        )
        cpu_s = tree_cpu_s(server.pid) - cpu_before_s
        if measured.interrupted:
            raise KeyboardInterrupt
        report.add(
            {
                **{"round": turn, "server": contestant.name, "clients": clients},
                **summarize(measured).row(),
                "server_cpu_ms": _per_image_ms(measured, cpu_s),
                "ready_s": server.ready_s,
                "batches": batch_histogram(before, batch_buckets(server.base_url)),
                "stages_ms": stages_ms(measured.due),
            }
        )


def _limit(contest: Contest) -> float:
    command = [sys.executable, "-m", "load_tests.baselines.in_process", str(contest.model)]
    command += ["--duration", str(contest.duration_s), *contest.limit_options]
    environment = {**os.environ, "DEVICE": contest.device}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ran.returncode != 0:
        raise UsageError(f"the in-process limit failed: {ran.stderr.strip().splitlines()[-1]}")
    return float(orjson.loads(ran.stdout)["images_per_s"])


def _values(report: Report, name: str, clients: int, key: str = "images_per_s") -> list[Any]:
    """One value per round, in order; the limit knows no clients."""
    return [
        row[key]
        for row in report.rows
        if row["server"] == name and row.get("clients", clients) == clients and key in row
    ]


def _middle(report: Report, name: str, clients: int, key: str) -> float | str:
    values = _values(report, name, clients, key)
    return median(values) if values else ""


def _per_image_ms(measured: Measurement, cpu_s: float) -> float:
    """Of all answered images of the loop, its warm-up included, as the CPU time is."""
    images = sum(outcome.payload.images for outcome in measured.outcomes if outcome.ok)
    return 1000.0 * cpu_s / max(1, images)


def _ratio(report: Report, name: str, other: str | None, clients: int) -> float | str:
    """The median over the rounds of the ratio within a round, which noise between rounds spares."""
    if other is None:
        return ""
    pairs = zip(_values(report, name, clients), _values(report, other, clients), strict=False)
    ratios = [a / b for a, b in pairs if b]
    return median(ratios) if ratios else ""
