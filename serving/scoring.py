"""One request's images through predictor and explainer, each to its own body or error."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from inference.errors import DeadlineExceeded, ExplanationFailed, InputError, SightlineError
from inference.predictor import Prediction, Predictor
from inference.requests import ImageRequest
from inference.responses import error_body, explanation_error_body, result_body
from inference.schema import XaiParameters
from serving.explanations import ExplanationQueue
from serving.records import RequestRecord

_NO_EXPLANATIONS = "this server runs with explain=false"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one image gets: a body, and its error if that is all there is; stages in seconds."""

    body: dict[str, Any]
    error: SightlineError | None = None
    stages_s: dict[str, float] = field(default_factory=dict)
    batch_size: int | None = None


async def answer_all(
    entries: Sequence[ImageRequest | InputError],
    *,
    predictor: Predictor,
    explanations: ExplanationQueue | None,
    deadline: float | None = None,
) -> list[Answer]:
    """Score the images of one request together and explain those that ask for it.

    What is not done at `deadline`, a time of the monotonic clock, gets DeadlineExceeded or goes
    without its explanation. Cancelling the call drops the images that wait. Raises Overloaded when
    the queue has no room or no time for all of them, DeadlineExceeded when it has passed already.
    """
    left_s = _left(deadline)
    if left_s is not None and left_s <= 0:
        raise DeadlineExceeded("the deadline passed before the request had arrived")
    requests = [entry for entry in entries if isinstance(entry, ImageRequest)]
    futures = iter(
        predictor.submit(
            [request.image for request in requests],
            settings=[request.settings for request in requests],
            deadline_s=left_s,
        )
    )
    return await asyncio.gather(
        *(
            _answer(index, entry, asyncio.wrap_future(next(futures)), explanations, deadline)
            if isinstance(entry, ImageRequest)
            else _refuse(index, entry)
            for index, entry in enumerate(entries)
        )
    )


def body_and_status(answers: Sequence[Answer]) -> tuple[Any, int]:
    """Return the list of bodies and 200; if every image failed, the first one's error instead."""
    errors = [answer.error for answer in answers if answer.error]
    if errors and len(errors) == len(answers):
        return answers[0].body, errors[0].http_status
    return [answer.body for answer in answers], 200


def note(answers: Sequence[Answer], record: RequestRecord) -> None:
    """Add the answers to the request's record; per stage the time of the slowest image."""
    record.images = len(answers)
    for answer in answers:
        if answer.error:
            record.errors.append(answer.error.code)
        if answer.batch_size:
            record.batch_sizes.append(answer.batch_size)
        for stage, seconds in answer.stages_s.items():
            record.stages_s[stage] = max(seconds, record.stages_s.get(stage, 0.0))


async def _refuse(index: int, error: SightlineError) -> Answer:
    return Answer(error_body(error, image_index=index), error)


async def _answer(
    index: int,
    request: ImageRequest,
    prediction: "asyncio.Future[Prediction]",
    explanations: ExplanationQueue | None,
    deadline: float | None,
) -> Answer:
    try:
        done = await prediction
    except SightlineError as error:
        return await _refuse(index, error)
    body = result_body(done.value)
    stages_s = dict(done.stages_s)
    if request.explain is not None:
        begin = time.perf_counter()
        body |= await _explanation(request, request.explain, explanations, deadline)
        stages_s["explain"] = time.perf_counter() - begin
    return Answer(body, None, stages_s, done.batch_size)


async def _explanation(
    request: ImageRequest,
    parameters: XaiParameters,
    explanations: ExplanationQueue | None,
    deadline: float | None,
) -> dict[str, Any]:
    if explanations is None:
        return explanation_error_body(ExplanationFailed(_NO_EXPLANATIONS))
    try:
        texts = await explanations.explain(
            request.image, parameters, request.settings, timeout_s=_left(deadline)
        )
    except ExplanationFailed as error:
        return explanation_error_body(error)
    return {key: orjson.Fragment(text) for key, text in texts.items()}


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()
