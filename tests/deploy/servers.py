"""Small HTTP servers that answer /score as ours does, and nginx with the file that we render."""

import http.client
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).parents[2]
NOBODY = 65534
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@contextmanager
def model_server(name: str, answer: Any = None, *, port: int = 0) -> Iterator[str]:
    """Serve `answer` to every request, with the model's name in X-Model; yields host:port."""
    body = json.dumps(answer if answer is not None else [{"probs": [1.0], "labels": [name]}])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves whole, or not at all

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Model", name)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *_: Any) -> None:
            pass

    server = QuietServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.stop()
        thread.join()


class QuietServer(ThreadingHTTPServer):
    """Ends its connections when it stops, as a process that dies does."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._open.discard(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that nobody's processes can write, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@contextmanager
def running_nginx(folder: Path, port: int) -> Iterator[None]:
    """Run nginx on `folder`/proxy/nginx.conf, as nobody when the tests are root's."""
    prefix = folder / "proxy"
    prefix.chmod(0o777)
    command = ["nginx", "-p", f"{prefix}/", "-c", "nginx.conf", "-g", "daemon off;"]
    with (prefix / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stderr=log, cwd="/", user=NOBODY if os.geteuid() == 0 else None
        )
    try:
        _wait(port, process, prefix / "log")
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            ask(port, **{"X-Request-Id": "ready?"})
            return
        time.sleep(0.02)
    raise AssertionError(f"nginx did not start: {log.read_text()}")


def ask(port: int, body: bytes = b"image", **headers: str) -> tuple[int, str]:
    """POST to /score; return the status and the model that answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/score", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers.get("X-Model", "")
    finally:
        connection.close()


@dataclass
class Load:
    """What the clients of `under_load` saw: (time, status, model), and errors as text."""

    answers: list[tuple[float, int, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def share(self, model: str, begin: float, end: float) -> float:
        """Percent of the answers between two times that came from `model`."""
        models = [name for when, _, name in self.answers if begin <= when < end]
        assert len(models) > 100, f"only {len(models)} answers"
        return 100 * models.count(model) / len(models)


@contextmanager
def under_load(
    port: int, *, body: bytes = b"image", headers: Mapping[str, str] = NO_HEADERS, clients: int = 16
) -> Iterator[Load]:
    """Ask from `clients` threads, one request at a time each, until the block ends."""
    load, stopping = Load(), threading.Event()

    def client() -> None:
        while not stopping.is_set():
            try:
                status, model = ask(port, body, **headers)
            except (OSError, http.client.HTTPException) as error:
                load.failures.append(repr(error))
                continue
            load.answers.append((time.monotonic(), status, model))
            if status != 200:
                load.failures.append(str(status))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
