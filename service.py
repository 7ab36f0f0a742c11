"""The scoring server: `bentoml serve service:Scorer --arg model=NAME:VERSION`.

Scorer answers HTTP and owns the model that scores. Explainer has its own process and its own copy
of the model, so that explanations, which take seconds, never delay scores.
"""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import aiohttp
import bentoml
from bentoml.exceptions import BentoMLException
from bentoml.models import BentoModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from inference.errors import InputError, SightlineError
from inference.model_folder import ModelFolder, open_model_folder
from inference.predictor import Predictor
from inference.requests import ImageRequest, parse_request
from inference.settings import Settings
from serving import http
from serving.arguments import Arguments
from serving.explanations import ExplanationQueue
from serving.info import describe
from serving.models import locate_model
from serving.openapi import SWAGGER_PAGE, document
from serving.scoring import answer_all, body_and_status, slowest_stages

# The workers inherit it: OpenMP threads without work must not spin on the cores that decode.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ARGUMENTS = bentoml.use_arguments(Arguments)
MODEL = locate_model(ARGUMENTS.model)
_TIMEOUT_S = ARGUMENTS.explain_timeout_s + 60  # BentoML's own, which must never come first
_LARGE_BODY = 1_000_000  # bytes; a larger one is parsed in a thread, so that others are not held up


@bentoml.service(
    name="Explainer",
    traffic={"timeout": _TIMEOUT_S},
    # The defaults close the connection pool every 100 requests, under the requests in flight.
    runner_connection={"max_requests": 10**9, "max_age": 1e9},
)
class Explainer:
    """Explains one image at a time, at a lower priority than scoring."""

    def __init__(self) -> None:
        from serving.explainer import JsonExplainer  # only this process pays for what it imports

        os.nice(10)
        folder, _ = _open_model(Explainer)
        self._explainer = JsonExplainer(folder, device=ARGUMENTS.device)
        self._thread = ThreadPoolExecutor(1, "explain")

    @bentoml.api
    async def explain(
        self, image: bytes, parameters: dict[str, Any], timeout_s: float
    ) -> dict[str, bytes]:
        """Explain an encoded image; the answer holds a JSON text per key of the response body."""
        deadline = time.monotonic() + timeout_s
        call = partial(self._explainer, image, parameters, deadline=deadline)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


async def score(request: Request) -> Response:
    """POST /score: the three forms of a request, one element per image in the answer."""
    scorer = bentoml.get_current_service()
    begin = time.perf_counter()
    kind = http.content_type(request)
    body = await http.read_body(request, max_bytes=ARGUMENTS.max_body_bytes)
    received = time.perf_counter()
    entries = await _parse(kind, body, scorer.predictor.folder.settings)
    stages_s = {"receive": received - begin, "parse": time.perf_counter() - received}
    answers = await answer_all(
        entries, predictor=scorer.predictor, explanations=scorer.explanations
    )
    stages_s |= slowest_stages(answers)
    stages_s["total"] = time.perf_counter() - begin
    headers = {"X-Model": scorer.tag, "Server-Timing": http.server_timing(stages_s)}
    return http.json_response(*body_and_status(answers), headers)


async def info(_: Request) -> Response:
    """GET /info: what this server runs, and its limits."""
    scorer = bentoml.get_current_service()
    return http.json_response(describe(scorer.predictor, ARGUMENTS, tag=scorer.tag))


async def docs(_: Request) -> Response:
    """GET /docs.json: BentoML's document and our routes; mounted first, so it hides BentoML's."""
    base = cast(Any, Scorer).openapi_spec.asdict()
    return http.json_response(document(base, image_types=http.IMAGE_TYPES[:5]))


async def index(_: Request) -> Response:
    """GET /: the document as a page to try requests on."""
    return HTMLResponse(SWAGGER_PAGE)


ROUTES = Starlette(
    routes=[
        Route("/", index),
        Route("/score", score, methods=["POST"]),
        Route("/info", info),
        Route("/docs.json", docs),
    ],
    exception_handlers=http.EXCEPTION_HANDLERS,
)


@bentoml.service(
    name="Scorer",
    traffic={"timeout": _TIMEOUT_S},
    runner_probe={"enabled": False},  # scores must not wait for an explainer that starts or died
)
@bentoml.asgi_app(ROUTES)
class Scorer:
    """Scores images over HTTP."""

    if ARGUMENTS.explain:
        explainer = bentoml.depends(Explainer)
    if MODEL.stored:
        model = BentoModel(MODEL.tag)  # makes a Bento name the model, and its container hold it

    def __init__(self) -> None:
        folder, tag = _open_model(Scorer)
        self.tag = tag.encode("ascii", "backslashreplace").decode()  # goes into a header
        self.predictor = Predictor(
            folder,
            engine=ARGUMENTS.engine,
            device=ARGUMENTS.device,
            max_batch=ARGUMENTS.max_batch,
            max_queue=ARGUMENTS.max_queue,
        )
        self.explanations = self._explanation_queue() if ARGUMENTS.explain else None

    @bentoml.on_deployment
    @staticmethod
    def check_model() -> None:
        """Stop `bentoml serve` with one line, before workers start that would fail for ever."""
        try:
            open_model_folder(MODEL.path)
        except SightlineError as error:
            raise BentoMLException(str(error)) from None

    @bentoml.on_shutdown
    def close(self) -> None:
        """Finish what was admitted."""
        self.predictor.close()

    def _explanation_queue(self) -> ExplanationQueue:
        return ExplanationQueue(
            lambda *values: self.explainer.explain(*values),
            max_waiting=ARGUMENTS.max_explanations,
            timeout_s=ARGUMENTS.explain_timeout_s,
            retry_on=(aiohttp.ClientConnectionError,),
        )


cast(Any, Scorer).add_asgi_middleware(http.Envelope)


async def _parse(kind: str, body: bytes, settings: Settings) -> list[ImageRequest | InputError]:
    if kind != http.JSON_TYPE:
        return [ImageRequest(body, settings)]
    if len(body) > _LARGE_BODY:
        return await asyncio.to_thread(parse_request, body, settings=settings)
    return parse_request(body, settings=settings)


def _open_model(service: Any) -> tuple[ModelFolder, str]:
    """Open the served model's folder; the tag pinned by a Bento goes before the arguments."""
    pinned = service.bento.info.all_models if service.bento else []
    model = locate_model(str(pinned[0].tag)) if pinned else MODEL
    return open_model_folder(model.path), model.tag
