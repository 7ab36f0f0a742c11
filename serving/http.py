"""Bodies in within limits, bodies and errors out in one shape; nothing about models."""

import math
import re
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from inference.errors import BadRequest, Overloaded, SightlineError, TooLarge, UnsupportedImage
from inference.responses import dump_json, error_body

JSON_TYPE = "application/json"
IMAGE_TYPES = (
    *("image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff"),
    *("image/jpg", "image/x-ms-bmp"),  # not registered, but sent by some clients
)
_ROUTING_ERRORS = {404: "not_found", 405: "method_not_allowed"}
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")  # what may be echoed into a header and a log


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Read a request's body. Raises TooLarge as soon as its length is known to pass `max_bytes`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise _too_large(max_bytes)
    except ClientDisconnect:
        raise BadRequest("the connection ended before the body did") from None
    return bytes(body)


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


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON; NumPy arrays are welcome."""
    return Response(dump_json(body), status, headers, media_type=JSON_TYPE)


def server_timing(stages_s: Mapping[str, float]) -> str:
    """Format seconds per stage as a Server-Timing header, in milliseconds."""
    return ", ".join(f"{stage};dur={1000 * seconds:.2f}" for stage, seconds in stages_s.items())


async def on_sightline_error(_: Request, error: Any) -> Response:
    """Answer a SightlineError with its own status and text."""
    headers = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return json_response(error_body(error), status=error.http_status, headers=headers)


async def on_routing_error(_: Request, error: Any) -> Response:
    """Answer Starlette's HTTPException, a 405 for one, in our shape."""
    code = _ROUTING_ERRORS.get(error.status_code, "error")
    return json_response(
        _plain_error(code, error.detail), status=error.status_code, headers=error.headers
    )


async def on_defect(_: Request, error: Exception) -> Response:
    """Answer a defect of ours without its details, which the log has."""
    body = _plain_error("internal", "an internal error, see the server's log")
    return json_response(body, status=500)


EXCEPTION_HANDLERS: Mapping[Any, ExceptionHandler] = {
    SightlineError: on_sightline_error,
    HTTPException: on_routing_error,
    Exception: on_defect,
}


class Envelope:
    """ASGI middleware around every route, BentoML's own included.

    Answers carry the request's X-Request-Id or a new one, and 404 and 405 have our shape.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Request(scope))
        replaced = False

        async def send_enveloped(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                if _is_plain_routing_error(message["status"], headers):
                    replaced = True
                    await _send_routing_error(scope, send, message["status"], headers)
                    return
            if not replaced:
                await send(message)

        await self._app(scope, receive, send_enveloped)


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _is_plain_routing_error(status: int, headers: MutableHeaders) -> bool:
    return status in _ROUTING_ERRORS and headers.get("content-type", "").startswith("text/plain")


async def _send_routing_error(
    scope: Scope, send: Send, status: int, headers: MutableHeaders
) -> None:
    text = f"{scope['method']} {scope['path']}: " + (
        "there is no such path" if status == 404 else "the path has no such method"
    )
    body = dump_json(_plain_error(_ROUTING_ERRORS[status], text))
    headers["Content-Type"] = JSON_TYPE
    headers["Content-Length"] = str(len(body))
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body})


def _plain_error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "image_index": None}}


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the body is over the limit of {max_bytes:,} bytes")
