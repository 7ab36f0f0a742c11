"""Real servers for tests: `bentoml serve` on a free port, stopped by its process id."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[2]
_START_S = 120
_STOP_S = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready. `log` is the file with everything that it prints."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def client(self) -> httpx.Client:
        """Open a client whose time-out outlasts an explanation on a busy machine."""
        return httpx.Client(base_url=self.url, timeout=120)

    def child(self, service: str) -> psutil.Process:
        """Return the worker process of a service."""
        children = psutil.Process(self.process.pid).children()
        (found,) = (child for child in children if service in child.cmdline())
        return found

    def raw(self) -> socket.socket:
        """Open a plain connection."""
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=60)

    def stop(self) -> int:
        """Send SIGTERM to the process that was started; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_S)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of every command here: a BentoML store of its own, no reports."""
    return {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}


@contextmanager
def running_server(
    *arguments: str,
    home: Path,
    target: str = "service:Scorer",
    cwd: Path = ROOT,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serve `target` with `--arg` for each of `arguments`, until the block ends.

    `variables` are added to the environment.
    """
    port = _free_port()
    command = [sys.executable, "-m", "bentoml", "serve", target]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += [part for argument in arguments for part in ("--arg", argument)]
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment(home), **(variables or {})},
            stdout=file,
            stderr=file,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_ready(server)
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def _wait_ready(server: Server) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the server did not get ready:\n{server.log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
