"""Bodies in within limits, bodies and errors out in one shape; nothing about models."""

import asyncio
import math
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler, Receive

from inference.errors import BadRequest, Overloaded, SightlineError, TooLarge, UnsupportedImage
from inference.responses import dump_json, error_body
from serving.records import record_of

JSON_TYPE = "application/json"
IMAGE_TYPES = (
    *("image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff"),
    *("image/jpg", "image/x-ms-bmp"),  # not registered, but sent by some clients
)
ROUTING_ERRORS = {404: "not_found", 405: "method_not_allowed"}
DEADLINE_HEADER = "x-deadline-ms"
MAX_DEADLINE_MS = 86_400_000

T = TypeVar("T")


class SlowBody(SightlineError):
    """The body did not arrive in time."""

    code = "body_timeout"
    http_status = 408


class Disconnected(SightlineError):
    """The client closed the connection; nobody reads this, but the log."""

    code = "client_closed_request"
    http_status = 499  # as nginx logs it


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Read a request's body.

    Raises TooLarge as soon as its length is known to pass `max_bytes`, SlowBody when it has not
    arrived after `timeout_s` seconds, Disconnected when it never will.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except ClientDisconnect:
        raise Disconnected("the connection ended before the body did") from None
    except TimeoutError:
        raise SlowBody(f"the body did not arrive within {timeout_s:g} s") from None
    return bytes(body)


async def unless_disconnected(receive: Receive, work: Awaitable[T]) -> T:
    """Await `work`, whose request's body is read; it is cancelled when the client goes away.

    Raises Disconnected then.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Disconnected("the connection ended before the answer")
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def content_type(request: Request) -> str:
    """Return the media type, JSON if none is given. Raises UnsupportedImage for all not served."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedImage(f"content encoding {encoding!r} is not served, send it plain")
    kind = request.headers.get("content-type", JSON_TYPE).partition(";")[0].strip().lower()
    if kind != JSON_TYPE and kind not in IMAGE_TYPES:
        allowed = ", ".join((JSON_TYPE, *IMAGE_TYPES[:5]))
        raise UnsupportedImage(f"content type {kind!r} is not served (allowed: {allowed})")
    return kind


def deadline_s(request: Request) -> float | None:
    """Seconds that X-Deadline-Ms gives from now on, None without it. Raises BadRequest."""
    text = request.headers.get(DEADLINE_HEADER)
    if text is None:
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_DEADLINE_MS))
    if not (is_number and 0 < int(text) <= MAX_DEADLINE_MS):
        raise BadRequest(
            f"X-Deadline-Ms must be a whole number of milliseconds in 1…{MAX_DEADLINE_MS}, "
            f"got {text[:40]!r}"
        )
    return int(text) / 1000


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON; NumPy arrays are welcome."""
    return Response(dump_json(body), status, headers, media_type=JSON_TYPE)


def plain_error(code: str, message: str) -> dict[str, Any]:
    """The one shape of errors, for those that are no SightlineError."""
    return {"error": {"code": code, "message": message, "image_index": None}}


def error_response(error: SightlineError, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a SightlineError with its own status and text."""
    more = dict(headers or {})
    if isinstance(error, Overloaded):
        more["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, SlowBody):
        more["Connection"] = "close"  # the rest of the body is not worth waiting for
    return json_response(error_body(error), error.http_status, more)


async def on_sightline_error(request: Request, error: Any) -> Response:
    """Answer a SightlineError, and note it for log and metrics."""
    record_of(request.scope).errors.append(error.code)
    return error_response(error)


async def on_routing_error(request: Request, error: Any) -> Response:
    """Answer Starlette's HTTPException, a 405 for one, in our shape."""
    code = ROUTING_ERRORS.get(error.status_code, "error")
    record_of(request.scope).errors.append(code)
    return json_response(plain_error(code, error.detail), error.status_code, error.headers)


async def on_defect(request: Request, error: Exception) -> Response:
    """Answer a defect of ours without its details, which the log has."""
    record_of(request.scope).errors.append("internal")
    body = plain_error("internal", "an internal error, see the server's log")
    return json_response(body, status=500)


EXCEPTION_HANDLERS: Mapping[Any, ExceptionHandler] = {
    SightlineError: on_sightline_error,
    HTTPException: on_routing_error,
    Exception: on_defect,
}


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the body is over the limit of {max_bytes:,} bytes")
