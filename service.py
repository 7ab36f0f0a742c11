"""The scoring server: `bentoml serve service:Scorer --arg model=NAME:VERSION`.

Scorer answers HTTP and owns the model that scores. Explainer has its own process and its own copy
of the model, so that explanations, which take seconds, never delay scores.
"""

import asyncio
import gc
import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import aiohttp
import bentoml
from bentoml.exceptions import BentoMLException
from bentoml.models import BentoModel
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from inference.errors import InputError, SightlineError
from inference.model_folder import open_model_folder
from inference.predictor import Predictor
from inference.requests import ImageRequest, parse_request
from inference.settings import Settings
from serving import http, logs, page
from serving.arguments import Arguments, cors_options
from serving.connections import close_unfinished, running_server
from serving.envelope import Envelope
from serving.explanations import ExplanationQueue
from serving.info import describe
from serving.keys import VARIABLE, KeyCheck, read_keys
from serving.loading import LoadingPredictor, end_soon
from serving.metrics import EXPOSITION_TYPE, Metrics, exposition
from serving.models import LocatedModel, locate_model
from serving.openapi import SWAGGER_PAGE, document
from serving.records import RequestRecord, record_of
from serving.scoring import answer_all, body_and_status, note
from serving.stopping import Stopping
from serving.supervisor import STOP_S, supervise

# The workers inherit it: OpenMP threads without work must not spin on the cores that decode, but
# for the microseconds between two layers, or each would begin with waking them up.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

log = logging.getLogger("bentoml.sightline")

ARGUMENTS = bentoml.use_arguments(Arguments)
MODEL = locate_model(ARGUMENTS.model)
METRICS = Metrics()
STOPPING = Stopping(drain_s=ARGUMENTS.drain_s)
_TIMEOUT_S = ARGUMENTS.explain_timeout_s + 60  # BentoML's own, which must never come first
# BentoML records five spans per request even if none are exported, which costs a third of its time.
_IS_CONFIGURED = any(name.startswith("BENTOML_CONFIG") for name in os.environ)
_SWITCH_S = 0.0005  # Python's 5 ms are long for an event loop that waits for a busy thread
_LARGE_BODY = 1_000_000  # bytes; a larger one is parsed in a thread, so that others are not held up


@bentoml.service(
    name="Explainer",
    traffic={"timeout": _TIMEOUT_S},
    logging={"access": {"enabled": False}},
    # The defaults close the connection pool every 100 requests, under the requests in flight.
    runner_connection={"max_requests": 10**9, "max_age": 1e9},
)
class Explainer:
    """Explains one image at a time, at a lower priority than scoring."""

    def __init__(self) -> None:
        from serving import explainer  # only this process pays for what it imports

        logs.configure(ARGUMENTS.log_format)
        explainer.yield_to_scores(threads=ARGUMENTS.explain_threads, device=ARGUMENTS.device)
        folder = open_model_folder(_served_model(Explainer).path)
        self._explainer = explainer.JsonExplainer(folder, device=ARGUMENTS.device)
        self._thread = ThreadPoolExecutor(1, "explain")

    @bentoml.api
    async def explain(
        self, image: bytes, question: dict[str, Any], timeout_s: float, ctx: bentoml.Context
    ) -> dict[str, bytes]:
        """Explain an encoded image; the answer holds a JSON text per key of the response body.

        It is given up when the caller closes its connection.
        """
        deadline = time.monotonic() + timeout_s
        wanted = [True]
        call = partial(
            self._explainer, image, question, deadline=deadline, is_wanted=lambda: wanted[0]
        )
        work = asyncio.get_running_loop().run_in_executor(self._thread, call)
        try:
            return await http.unless_disconnected(ctx.request.receive, work)
        except http.Disconnected:
            return {}  # nobody reads it; as an error it would leave a traceback in the log
        finally:
            wanted[0] = False


async def score(request: Request) -> Response:
    """POST /score: the three forms of a request, one element per image in the answer."""
    scorer, record = bentoml.get_current_service(), record_of(request.scope)
    kind, seconds = http.content_type(request), http.deadline_s(request)
    deadline = None if seconds is None else time.monotonic() + seconds
    predictor = await scorer.predictor.get()
    predictor.check_room()  # a refusal must not cost what reading megabytes does
    with record.stage("receive"):
        body = await http.read_body(
            request, max_bytes=ARGUMENTS.max_body_bytes, timeout_s=ARGUMENTS.body_timeout_s
        )
    with record.stage("parse"):
        entries = await _parse(kind, body, predictor.folder.settings)
    work = answer_all(
        entries, predictor=predictor, explanations=scorer.explanations, deadline=deadline
    )
    answers = await http.unless_disconnected(request.receive, work)
    note(answers, record)
    with record.stage("serialise"):
        response = http.json_response(*body_and_status(answers), {"X-Model": scorer.tag})
    response.headers["Server-Timing"] = record.server_timing()
    return response


async def info(_: Request) -> Response:
    """GET /info: what this server runs, and its limits."""
    scorer = bentoml.get_current_service()
    return http.json_response(describe(await scorer.predictor.get(), ARGUMENTS, tag=scorer.tag))


async def metrics(_: Request) -> Response:
    """GET /metrics: what all processes of this server have counted."""
    if predictor := bentoml.get_current_service().predictor.now():
        load = predictor.load()
        METRICS.queue(images=load.queued, oldest_s=load.oldest_s)
    return Response(await asyncio.to_thread(exposition), media_type=EXPOSITION_TYPE)


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
        Route("/metrics", metrics),
        Route("/docs.json", docs),
        *page.ROUTES,
    ],
    exception_handlers=http.EXCEPTION_HANDLERS,
)


@bentoml.service(
    name="Scorer",
    workers=ARGUMENTS.workers,
    traffic={"timeout": _TIMEOUT_S},
    runner_probe={"enabled": False},  # scores must not wait for an explainer that starts or died
    metrics={"enabled": False},  # they keep every path that anybody asks for; ours do not
    logging={"access": {"enabled": False}},  # Envelope's line says more
    tracing={} if _IS_CONFIGURED else {"excluded_urls": ".*"},
)
@bentoml.asgi_app(ROUTES)
class Scorer:
    """Scores images over HTTP."""

    if ARGUMENTS.explain:
        explainer = bentoml.depends(Explainer)
    if MODEL.stored:
        model = BentoModel(MODEL.tag)  # makes a Bento name the model, and its container hold it

    def __init__(self) -> None:
        logs.configure(ARGUMENTS.log_format)
        sys.setswitchinterval(_SWITCH_S)
        self._served = _served_model(Scorer)
        # It goes into a header.
        self.tag = self._served.tag.encode("ascii", "backslashreplace").decode()
        self.explanations = self._explanation_queue() if ARGUMENTS.explain else None
        self._loop = asyncio.get_running_loop()
        self.predictor = LoadingPredictor(self._load)
        if server := running_server():
            self._cleaning = self._loop.create_task(close_unfinished(server))
            STOPPING.catch_signals(self._give_up_explanations)

    @bentoml.on_deployment
    @staticmethod
    def check_model() -> None:
        """Stop `bentoml serve` with one line, before workers start that would fail for ever."""
        try:
            open_model_folder(MODEL.path)
            keys = read_keys(ARGUMENTS.api_keys_file)
        except SightlineError as error:
            raise BentoMLException(str(error)) from None
        if not keys:
            log.warning("NO API KEYS: whoever reaches the port may score; set %s", VARIABLE)
        supervise(drain_s=ARGUMENTS.drain_s, grace_s=ARGUMENTS.grace_s)

    @bentoml.on_shutdown
    def close(self) -> None:
        """Finish what was admitted."""
        if predictor := self.predictor.now():
            predictor.close()

    async def __is_ready__(self) -> bool:
        """Whether a load balancer should send requests: the model is warm, no stop has begun."""
        return self.predictor.now() is not None and not STOPPING.has_begun

    def _load(self) -> Predictor:
        predictor = Predictor(
            open_model_folder(self._served.path),
            engine=ARGUMENTS.engine,
            device=ARGUMENTS.device,
            max_batch=ARGUMENTS.max_batch,
            max_queue=ARGUMENTS.max_queue,
            max_wait_s=ARGUMENTS.max_wait_s,
            on_device_lost=self._on_device_lost,
        )
        gc.collect()
        gc.freeze()  # what is here stays; looking through it holds all requests up for 0.4 s
        return predictor

    def _on_device_lost(self) -> None:
        self._loop.call_soon_threadsafe(end_soon, "the device is lost")

    def _explanation_queue(self) -> ExplanationQueue:
        return ExplanationQueue(
            lambda *values: self.explainer.explain(*values),
            max_waiting=ARGUMENTS.max_explanations,
            timeout_s=ARGUMENTS.explain_timeout_s,
            retry_on=(aiohttp.ClientConnectionError,),
            note=METRICS.explanation,
        )

    def _give_up_explanations(self) -> None:
        if self.explanations:
            self.explanations.stop(ARGUMENTS.grace_s - STOP_S)


def _end_of_request(record: RequestRecord) -> None:
    METRICS.request(record)
    logs.request(record, ARGUMENTS.log_format)


# The first one is the outermost.
_service = cast(Any, Scorer)
_service.add_asgi_middleware(
    Envelope, on_end=_end_of_request, is_draining=lambda: STOPPING.has_begun
)
if ARGUMENTS.cors_origins:
    _service.add_asgi_middleware(CORSMiddleware, **cors_options(ARGUMENTS.cors_origins))
_service.add_asgi_middleware(KeyCheck, keys=lambda: read_keys(ARGUMENTS.api_keys_file))


async def _parse(kind: str, body: bytes, settings: Settings) -> list[ImageRequest | InputError]:
    if kind != http.JSON_TYPE:
        return [ImageRequest(body, settings)]
    if len(body) > _LARGE_BODY:
        return await asyncio.to_thread(parse_request, body, settings=settings)
    return parse_request(body, settings=settings)


def _served_model(service: Any) -> LocatedModel:
    """Find the model to serve; the tag pinned by a Bento goes before the arguments."""
    pinned = service.bento.info.all_models if service.bento else []
    return locate_model(str(pinned[0].tag)) if pinned else MODEL
