"""What a card says about a running server, one measurement each."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson

from load_tests.card_data import Labelled, all_right, interval, top_1
from load_tests.client import Target, ask, open_session, send
from load_tests.commands.slo import highest_rate, keeps_promise
from load_tests.loops import closed_loop, open_loop, poisson
from load_tests.outcomes import Outcome
from load_tests.payloads import Payload, Photo, as_json, as_raw
from load_tests.process_tree import tree_mb
from load_tests.report import Report, Row
from load_tests.server_side import info
from load_tests.summary import summarize

_AT_ONCE = 8  # requests while accuracy is measured
_PRECISION = 0.1  # of the highest rate
_MULTILABEL = "image_classification_multilabel"
_THRESHOLD = "confidence_score_threshold_multilabel"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of labelled images that were answered rightly; `unscored` got an error instead."""

    name: str
    right: int
    total: int
    unscored: int

    def row(self) -> dict[str, Any]:
        """The figures for a table."""
        low, high = interval(self.right, self.total)
        return {
            "measure": self.name,
            "value": self.right / self.total,
            "95 % interval": f"{low:.3f}…{high:.3f}",
            "images": self.total,
            "not scored": self.unscored,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a server: photos for load and explanations, labelled images for accuracy."""

    photos: Sequence[Photo]
    labelled: Sequence[Labelled]
    clients: Sequence[int]
    p99_ms: float
    explanations: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out. served: /info; the rest are rows of tables, and the rate of the promise."""

    served: Mapping[str, Any]
    memory_mb: Mapping[str, float]
    loops: Sequence[Row]
    rate: float
    searched: Sequence[Row]
    explained: Sequence[Row]
    accuracy: Accuracy | None


def measure(target: Target, pid: int, plan: Plan, report: Report) -> Measured:
    """Measure a running server, in an order in which nothing disturbs what follows."""
    payloads = [as_json(photo) for photo in plan.photos]
    served, memory_mb = info(target.base_url), {"after the first score": tree_mb(pid)}
    loops = [
        latencies(target, payloads, report, clients=count, duration_s=plan.duration_s)
        for count in plan.clients
    ]
    start = max(1.0, max(row["images_per_s"] for row in loops) / 2)
    rate = promised_rate(
        target, payloads, report, p99_ms=plan.p99_ms, start=start, duration_s=plan.duration_s
    )
    memory_mb["after the load"] = tree_mb(pid)
    scored = accuracy(target, plan.labelled, served)
    methods = served["explanations"] if plan.explanations else ()
    explained = [
        explanation(target, plan.photos, report, method=method, count=plan.explanations)
        for method in methods
    ]
    if explained:
        memory_mb["after explanations"] = tree_mb(pid)
    searched = [row for row in report.rows if row["phase"] == "promise"]
    return Measured(served, memory_mb, loops, rate, searched, explained, scored)


def latencies(
    target: Target, payloads: Sequence[Payload], report: Report, *, clients: int, duration_s: float
) -> dict[str, Any]:
    """Measure one closed loop."""
    measured = asyncio.run(closed_loop(target, payloads, clients=clients, duration_s=duration_s))
    row = {"phase": "latency", "clients": clients, **summarize(measured).row()}
    report.add(row)
    if measured.interrupted:
        raise KeyboardInterrupt
    return row


def promised_rate(
    target: Target,
    payloads: Sequence[Payload],
    report: Report,
    *,
    p99_ms: float,
    start: float,
    duration_s: float,
) -> float:
    """Search the highest Poisson rate with p99 within `p99_ms`, from `start` on."""
    rng = np.random.default_rng(0)

    def keeps(rate: float) -> bool:
        arrivals = poisson(rate, duration_s, rng)
        measured = asyncio.run(open_loop(target, payloads, arrivals, duration_s=duration_s))
        summary = summarize(measured)
        kept = keeps_promise(summary, p99_ms=p99_ms)
        report.add({"phase": "promise", "rate": rate, "kept": kept, **summary.row()})
        if measured.interrupted:
            raise KeyboardInterrupt
        return kept

    return highest_rate(keeps, start=start, precision=_PRECISION)


def accuracy(
    target: Target, images: Sequence[Labelled], served: Mapping[str, Any]
) -> Accuracy | None:
    """Score labelled images once each; None without any, for labels of objects, or if all fail."""
    if any(image.classes is None for image in images):
        return None
    outcomes = asyncio.run(_once_each(target, [as_raw(image.photo()) for image in images]))
    scored = [
        (orjson.loads(outcome.body)[0], image.classes or frozenset())
        for outcome, image in zip(outcomes, images, strict=True)
        if outcome.ok
    ]
    if not scored:
        return None
    answers, truths = [answer for answer, _ in scored], [truth for _, truth in scored]
    failed = len(images) - len(scored)
    if served["task"] == _MULTILABEL:
        threshold = served["settings"].get(_THRESHOLD, 0.5)
        right = all_right(answers, truths, threshold)
        return Accuracy(f"all labels right at {threshold:g}", right, len(scored), failed)
    return Accuracy("top-1 accuracy", top_1(answers, truths), len(scored), failed)


async def _once_each(target: Target, payloads: Sequence[Payload]) -> list[Outcome]:
    """Send every payload once, a few at a time; the outcomes are in order."""
    places = asyncio.Semaphore(_AT_ONCE)
    async with open_session(target) as session:

        async def one(payload: Payload) -> Outcome:
            async with places:
                return await send(session, target, payload, keep_body=True)

        return list(await asyncio.gather(*map(one, payloads)))


def explanation(
    target: Target, photos: Sequence[Photo], report: Report, *, method: str, count: int
) -> dict[str, Any]:
    """Time one method on `count` photos, one after another, the first of which only warms up."""
    wanted = {"xai_algorithm": method}
    turns = [photos[turn % len(photos)] for turn in range(count + 1)]
    payloads = [as_json(p, model_explainability=True, xai_parameters=wanted) for p in turns]
    outcomes = [ask(target, payload) for payload in payloads]
    problem = next(filter(None, map(_problem, outcomes)), "")
    seconds = [outcome.latency_s for outcome in islice(outcomes, 1, None)]
    row = {"phase": "explanation", "method": method, "images": count}
    row |= {"problem": problem} if problem else {"seconds": median(seconds), "most": max(seconds)}
    report.add(row)
    return row


def _problem(outcome: Outcome) -> str:
    """Why there is no explanation; empty if there is one."""
    if not outcome.ok:
        return f"status {outcome.code}"
    error = orjson.loads(outcome.body)[0].get("explanation_error")
    return f"{error['code']}: {error['message']}" if error else ""


def sizes_mb(folder: Path) -> dict[str, float]:
    """The files of a model folder by name, in MB; a card itself does not count."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {f.name: f.stat().st_size / 1e6 for f in files if not f.name.lower().startswith("card")}
