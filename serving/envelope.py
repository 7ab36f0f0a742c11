"""Around every request: its id, one shape of routing errors, a line in the log, and metrics."""

import re
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.responses import dump_json
from serving.http import JSON_TYPE, ROUTING_ERRORS, plain_error
from serving.logs import REQUEST_ID
from serving.records import RequestRecord, attach

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")  # what may be echoed into a header and a log


class Envelope:
    """ASGI middleware around every route, BentoML's own included.

    Answers carry the request's X-Request-Id or a new one; 404 and 405 have our shape. `on_end` gets
    the record of every request that has ended. While `is_draining`, answers ask clients to close
    their connection, so that their next request goes to another server.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        on_end: Callable[[RequestRecord], None],
        is_draining: Callable[[], bool],
    ) -> None:
        self._app = app
        self._on_end = on_end
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = _record(scope)
        attach(record, scope)
        REQUEST_ID.set(record.request_id)
        replaced = False

        async def send_enveloped(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = record.request_id
                if self._is_draining():
                    headers["Connection"] = "close"
                if _is_plain_routing_error(record.status, headers):
                    replaced = True
                    await _send_routing_error(record, send, headers)
                    return
            if not replaced:
                await send(message)

        try:
            await self._app(scope, receive, send_enveloped)
        finally:
            self._on_end(record)


def _record(scope: Scope) -> RequestRecord:
    client = scope.get("client")
    return RequestRecord(
        request_id=_request_id(Headers(scope=scope)),
        method=scope["method"],
        path=scope["path"],
        client=client[0] if client else None,
    )


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _is_plain_routing_error(status: int, headers: MutableHeaders) -> bool:
    return status in ROUTING_ERRORS and headers.get("content-type", "").startswith("text/plain")


async def _send_routing_error(record: RequestRecord, send: Send, headers: MutableHeaders) -> None:
    code = ROUTING_ERRORS[record.status]
    record.errors.append(code)
    text = f"{record.method} {record.path}: " + (
        "there is no such path" if record.status == 404 else "the path has no such method"
    )
    body = dump_json(plain_error(code, text))
    headers["Content-Type"] = JSON_TYPE
    headers["Content-Length"] = str(len(body))
    await send({"type": "http.response.start", "status": record.status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body})
