"""Whether a damaged image harms only itself."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import orjson
import typer

from load_tests.answers import changed_answers
from load_tests.client import Target, check
from load_tests.loops import closed_loop
from load_tests.options import Duration, Images, Out, Timeout, Url
from load_tests.payloads import Payload, as_json, damaged, photos_from
from load_tests.report import reporting
from load_tests.summary import summarize


def poison(
    url: Url,
    images: Images = None,
    fraction: Annotated[
        float, typer.Option(min=0.0001, max=0.9, help="Of the requests are damaged.")
    ] = 0.01,
    clients: Annotated[int, typer.Option(min=1)] = 32,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Relative, of the answers.")] = 1e-3,
    duration: Duration = 15.0,
    timeout: Timeout = 60.0,
    out: Out = None,
) -> None:
    """Damaged images among good ones: the good answers must be those given alone."""
    photos = photos_from(images)
    good = [as_json(photo) for photo in photos]
    target = Target(url, timeout_s=timeout)
    alone = {payload.name: orjson.loads(check(target, payload).body) for payload in good}
    traffic = spread(good, damaged(photos), fraction=fraction)
    with reporting("poison", out, url=url) as report:
        measured = asyncio.run(
            closed_loop(target, traffic, clients=clients, duration_s=duration, keep_body=True)
        )
        report.add({"clients": clients, **summarize(measured).row()})
        neighbours = [outcome for outcome in measured.outcomes if outcome.payload.good]
        bad = [outcome for outcome in measured.outcomes if not outcome.payload.good]
        harmed = [outcome for outcome in neighbours if not outcome.ok]
        changed = changed_answers(neighbours, alone, tolerance=tolerance)
        report.findings["damaged requests"] = len(bad)
        report.findings["their answers"] = dict(Counter(outcome.code for outcome in bad))
        report.findings["good requests"] = len(neighbours)
        report.findings["good requests that failed"] = len(harmed)
        report.findings["good answers that differ from those alone"] = len(changed)
        report.checks["damaged images were sent"] = bool(bad)
        report.checks["no good request failed"] = not harmed
        report.checks["good answers equal those given alone"] = not changed
        report.checks["every damaged image got a 4xx of its own"] = all(
            outcome.code.startswith("4") for outcome in bad
        )
        if measured.interrupted:
            raise KeyboardInterrupt


def spread(good: Sequence[Payload], bad: Sequence[Payload], *, fraction: float) -> list[Payload]:
    """Every (1 / fraction)-th payload is damaged, each kind in turn; the others go round."""
    step = max(2, round(1.0 / fraction))
    total = step * len(bad)
    return [
        bad[turn // step] if turn % step == step - 1 else good[turn % len(good)]
        for turn in range(total)
    ]
