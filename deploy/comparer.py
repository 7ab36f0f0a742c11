"""Takes copies of requests, asks two models, writes what differs. No user waits for it."""

import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deploy.comparison import compare
from deploy.errors import UsageError

MAX_WAITING = 16  # requests of up to 20 MB; more are dropped and counted
_ASK_S = 190
_FORWARDED = ("Content-Type", "Authorization")
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Copy:
    """A copied request."""

    id: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A model's answer; `elements` is empty unless the status is 200. Status 0: no answer."""

    status: int
    ms: float
    elements: list[Mapping[str, Any]]


class Comparer:
    """An HTTP server whose POSTs are answered with 204 at once, and compared one after the other.

    One at a time, so that a latency is that of a model, not of the comparer's own queue.
    `on_record` is called in its thread.
    """

    def __init__(
        self, *, primary: str, candidate: str, on_record: Callable[[Record], None]
    ) -> None:
        self.dropped = 0
        self._urls = (f"{primary}/score", f"{candidate}/score")
        self._on_record = on_record
        self._waiting: queue.Queue[Copy | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._compare_all, daemon=True)

    def serve(self, host: str, port: int, *, on_start: Callable[[int], None]) -> None:
        """Serve until KeyboardInterrupt; then finish what waits.

        `on_start` gets the port. Raises UsageError for a port that cannot be used.
        """
        try:
            server = ThreadingHTTPServer((host, port), self._handler())
        except OSError as error:
            raise UsageError(f"port {port} cannot be used ({error.strerror})") from None
        self._thread.start()
        on_start(server.server_address[1])
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
            self._waiting.put(None)
            self._thread.join()

    def take(self, copy: Copy) -> None:
        """Queue a request, or drop and count it when too many wait."""
        try:
            self._waiting.put_nowait(copy)
        except queue.Full:
            self.dropped += 1

    def _compare_all(self) -> None:
        while (copy := self._waiting.get()) is not None:
            self._on_record(_record(copy, *(_ask(url, copy) for url in self._urls)))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self.take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {n: self.headers[n] for n in _FORWARDED if n in self.headers}
                take(Copy(self.headers.get("X-Request-Id", ""), body, headers))
                self.send_response(204)
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *_: Any) -> None:
                pass

        return Handler


def _ask(url: str, copy: Copy) -> Asked:
    request = urllib.request.Request(url, copy.body, dict(copy.headers))
    begin = time.perf_counter()
    status, elements = 0, []
    try:
        with urllib.request.urlopen(request, timeout=_ASK_S) as answer:
            status, elements = answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    except (OSError, ValueError):
        pass  # status 0: it did not answer, or no JSON
    return Asked(status, 1000 * (time.perf_counter() - begin), elements)


def _record(copy: Copy, primary: Asked, candidate: Asked) -> Record:
    both = (primary, candidate)
    images = [compare(a, b) for a, b in zip(primary.elements, candidate.elements, strict=False)]
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "request_id": copy.id,
        "status": [asked.status for asked in both],
        "ms": [round(asked.ms, 1) for asked in both],
        "images": images,
    }
