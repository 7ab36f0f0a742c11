"""A server of the standard library that answers as a script says, and notes what it was asked."""

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from client import Client

RESULT = {"probs": [0.25, 0.75], "labels": ["a", "b"]}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `cut` closes the connection within it, `after_s` lets the client wait."""

    status: int = 200
    body: bytes = orjson.dumps([RESULT])
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hang_up: bool = False
    after_s: float = 0.0


def refusal(status: int, code: str, **headers: str) -> Answer:
    error = {"error": {"code": code, "message": "no", "image_index": None}}
    return Answer(status, orjson.dumps(error), {k.replace("_", "-"): v for k, v in headers.items()})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived, `time_ms` after the first one; `port` is the client's."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int
    time_ms: float


@dataclass(slots=True)
class Scripted:
    """The address, and the requests so far."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    @property
    def waits_ms(self) -> list[float]:
        times = [one.time_ms for one in self.asked]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


@contextmanager
def scripted(script: Sequence[Answer] | Mapping[bytes, Answer]) -> Iterator[Scripted]:
    """Answer requests in the order of `script`, whose last answer stays, or by their body."""
    seen, lock, begin = Scripted(), threading.Lock(), time.perf_counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                time_ms = 1000 * (time.perf_counter() - begin)
                turn = len(seen.asked)
                port = self.client_address[1]
                seen.asked.append(Asked(self.path, dict(self.headers), body, port, time_ms))
            if isinstance(script, Mapping):
                answer = script[body]
            else:
                answer = script[min(turn, len(script) - 1)]
            self._send(answer)

        def do_GET(self) -> None:
            self.do_POST()

        def _send(self, answer: Answer) -> None:
            time.sleep(answer.after_s)
            self.close_connection = answer.cut or answer.hang_up
            if answer.hang_up:
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[:3] if answer.cut else answer.body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # a client that went away

    server = Server(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def asking(
    script: Sequence[Answer] | Mapping[bytes, Answer], key: str | None = None, **options: Any
) -> Iterator[tuple[Client, Scripted]]:
    """Open a client of a scripted server."""
    with scripted(script) as server, Client(server.url, key, **options) as client:
        yield client, server
