"""API keys: who may ask. Off unless keys are given."""

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from inference.errors import SightlineError, UsageError
from serving.http import error_response
from serving.page import is_page
from serving.records import record_of

VARIABLE = "SIGHTLINE_API_KEYS"
_PROBES = frozenset({"/livez", "/readyz", "/healthz"})
# They say nothing about the model; the requests that pages make need the key.
_DOCUMENT = frozenset({"/", "/docs.json"})
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # visible ASCII without the comma


class Unauthorized(SightlineError):
    """No key, or a wrong one."""

    code = "unauthorized"
    http_status = 401


def read_keys(file: str | None) -> tuple[str, ...]:
    """Read the keys of `file`, or of the environment if there is no file; none means open to all.

    Raises UsageError for a file that cannot be read or holds none, and for a key with characters
    that a header cannot carry. The text of keys is in no message.
    """
    if file is None:
        keys = [key.strip() for key in os.environ.get(VARIABLE, "").split(",")]
        source = VARIABLE
    else:
        try:
            lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"api_keys_file cannot be read: {error}") from None
        keys = [line.partition("#")[0].strip() for line in lines]
        source = f"api_keys_file {file}"
    found = tuple(key for key in keys if key)
    if file is not None and not found:
        raise UsageError(f"{source} holds no key; leave the argument out to serve without keys")
    if wrong := [number for number, key in enumerate(found, 1) if not _KEY.fullmatch(key)]:
        raise UsageError(f"key {wrong[0]} of {source} has characters other than visible ASCII")
    return found


class KeyCheck:
    """ASGI middleware: everything but probes and pages needs `Authorization: Bearer KEY`.

    `keys` is called once, when the worker starts.
    """

    def __init__(self, app: ASGIApp, *, keys: Callable[[], Sequence[str]]) -> None:
        self._app = app
        self._digests = [_digest(key.encode()) for key in keys()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it before its body is read."""
        is_open = scope["type"] != "http" or _is_open(scope["path"])  # there are no web sockets
        if not self._digests or is_open or self._knows(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        record_of(scope).errors.append(Unauthorized.code)
        error = Unauthorized("this server needs a key: send `Authorization: Bearer KEY`")
        response = error_response(error, headers={"WWW-Authenticate": 'Bearer realm="sightline"'})
        await response(scope, receive, send)

    def _knows(self, headers: Headers) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = _digest(key.strip().encode("latin-1"))
        known = [hmac.compare_digest(given, digest) for digest in self._digests]  # always all
        return scheme.lower() == "bearer" and any(known)


def _digest(key: bytes) -> bytes:
    """Digests have one length, so that comparing them does not tell a key's."""
    return hashlib.sha256(key).digest()


def _is_open(path: str) -> bool:
    is_document = path in _DOCUMENT or path.startswith("/static_content/")
    return path in _PROBES or is_document or is_page(path)
