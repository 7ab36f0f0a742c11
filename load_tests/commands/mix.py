"""What explanations cost those who only want scores."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from statistics import median
from typing import Annotated, Any

import numpy as np
import orjson
import typer

from load_tests.client import Target, ask, check
from load_tests.errors import UsageError
from load_tests.loops import closed_loop, open_loop, poisson, together
from load_tests.options import Duration, Images, Out, Rounds, Seed, Timeout, Url
from load_tests.outcomes import Measurement
from load_tests.payloads import Payload, as_json, photos_from
from load_tests.report import reporting
from load_tests.summary import summarize


def mix(
    url: Url,
    images: Images = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Scores per second, Poisson.")] = 5.0,
    explainers: Annotated[int, typer.Option(min=1, help="Clients that want explanations.")] = 1,
    algorithm: Annotated[str, typer.Option(help="xai_algorithm of the explanations.")] = "xrai",
    rounds: Rounds = 2,
    duration: Duration = 20.0,
    timeout: Timeout = 180.0,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """p99 of scores alone, and while explanations run back to back, in turns."""
    photos = photos_from(images)
    scores = [as_json(photo) for photo in photos]
    wanted: dict[str, Any] = {"xai_algorithm": algorithm, "visualizations": True}
    explanations = [as_json(p, model_explainability=True, xai_parameters=wanted) for p in photos]
    target = Target(url, timeout_s=timeout)
    check(target, scores[0])
    _check_explains(target, explanations[0])
    rng = np.random.default_rng(seed)

    with reporting("mix", out, url=url) as report:

        def measure(turn: int, phase: str, *loops: Coroutine[Any, Any, Measurement]) -> None:
            measured = asyncio.run(together(*loops))
            for name, one in zip((phase, "explanations"), measured, strict=False):
                report.add({"round": turn, "phase": name, **summarize(one).row()})
            if any(one.interrupted for one in measured):
                raise KeyboardInterrupt

        for turn in range(rounds):
            offsets_s = poisson(rate, duration, rng)  # the same for both: bursts make the p99
            scoring = partial(open_loop, target, scores, offsets_s, duration_s=duration)
            measure(turn, "scores alone", scoring())
            explaining = closed_loop(
                target, explanations, clients=explainers, duration_s=duration, warmup_s=0.0
            )
            measure(turn, "scores beside", scoring(), explaining)
        p99 = {
            phase: median(row["p99_ms"] for row in report.rows if row["phase"] == phase)
            for phase in ("scores alone", "scores beside")
        }
        report.findings["p99 of scores alone, ms"] = p99["scores alone"]
        report.findings["p99 of scores beside explanations, ms"] = p99["scores beside"]
        report.findings["ratio"] = p99["scores beside"] / p99["scores alone"]


def _check_explains(target: Target, payload: Payload) -> None:
    answer = orjson.loads(ask(target, payload).body or b"null")
    error = answer[0].get("explanation_error") if isinstance(answer, list) and answer else answer
    if error:
        raise UsageError(f"{target.url} does not explain: {error}")
