"""An S3 server for tests: moto's, with latency and faults put in front of it."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import fsspec
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Fault = Callable[[str, str], str | None]  # method, path → "503 Slow Down", "cut", or None


class ObjectStore:
    """A server with one bucket, `photos`; `requests` are the (method, path) it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[str, str]] = []
        self.latency_s = 0.0
        self.fault: Fault = lambda method, path: None

    def put(self, name: str, data: bytes) -> None:
        """Store an object; not counted among the requests."""
        files = fsspec.filesystem("s3")
        files.pipe_file(f"photos/{name}", data)
        self.requests.clear()

    def gets(self) -> list[str]:
        """Paths of the objects that were read."""
        return [path for method, path in self.requests if method == "GET" and path.count("/") > 1]


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Run the server in this process, and point S3 clients, also of subprocesses, at it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        store.requests.append((method, path))
        time.sleep(store.latency_s)
        fault = store.fault(method, path)
        if fault == "cut":  # announces more than it sends
            start("200 OK", [("Content-Length", "1000")])
            return [b"half"]
        if fault is not None:
            start(fault, [("Content-Length", "0")])
            return []
        return moto(environ, start)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    store = ObjectStore(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": store.url,
        }.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        # moto's state is the process's: an earlier server's objects are still there.
        urlopen(Request(f"{store.url}/moto-api/reset", method="POST")).close()
        fsspec.filesystem("s3").mkdir("photos")
        yield store
        fsspec.filesystem("s3").clear_instance_cache()
    server.shutdown()
    server.server_close()
    thread.join()
