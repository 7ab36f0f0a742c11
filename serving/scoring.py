"""One request's images through predictor and explainer, each to its own body or error."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from inference.errors import ExplanationFailed, InputError
from inference.predictor import Prediction, Predictor
from inference.requests import ImageRequest
from inference.responses import error_body, explanation_error_body, result_body
from inference.schema import XaiParameters
from serving.explanations import ExplanationQueue


@dataclass(frozen=True, slots=True)
class Answer:
    """What one image gets: a body, and its error if that is all there is; stages in seconds."""

    body: dict[str, Any]
    error: InputError | None = None
    stages_s: dict[str, float] = field(default_factory=dict)


async def answer_all(
    entries: Sequence[ImageRequest | InputError],
    *,
    predictor: Predictor,
    explanations: ExplanationQueue | None,
) -> list[Answer]:
    """Score the images of one request together and explain those that ask for it.

    Raises Overloaded when the queue has no room for all of them.
    """
    requests = [entry for entry in entries if isinstance(entry, ImageRequest)]
    futures = iter(
        predictor.submit(
            [request.image for request in requests],
            settings=[request.settings for request in requests],
        )
    )
    return await asyncio.gather(
        *(
            _answer(index, entry, asyncio.wrap_future(next(futures)), explanations)
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


def slowest_stages(answers: Sequence[Answer]) -> dict[str, float]:
    """Per stage the time of the image that spent most there: images of a request overlap."""
    slowest: dict[str, float] = {}
    for answer in answers:
        for stage, seconds in answer.stages_s.items():
            slowest[stage] = max(seconds, slowest.get(stage, 0.0))
    return slowest


async def _refuse(index: int, error: InputError) -> Answer:
    return Answer(error_body(error, image_index=index), error)


async def _answer(
    index: int,
    request: ImageRequest,
    prediction: "asyncio.Future[Prediction]",
    explanations: ExplanationQueue | None,
) -> Answer:
    try:
        done = await prediction
    except InputError as error:
        return await _refuse(index, error)
    body = result_body(done.value)
    stages_s = {"decode": done.prepare_s, "queue": done.queue_s, "forward": done.run_s}
    if request.explain is not None:
        begin = time.perf_counter()
        body |= await _explanation(request.image, request.explain, explanations)
        stages_s["explain"] = time.perf_counter() - begin
    return Answer(body, None, stages_s)


async def _explanation(
    image: bytes, parameters: XaiParameters, explanations: ExplanationQueue | None
) -> dict[str, Any]:
    if explanations is None:
        return explanation_error_body(ExplanationFailed("this server runs with explain=false"))
    try:
        texts = await explanations.explain(image, parameters)
    except ExplanationFailed as error:
        return explanation_error_body(error)
    return {key: orjson.Fragment(text) for key, text in texts.items()}
