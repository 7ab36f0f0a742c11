"""Servers that a command starts: on a free port, ready before use, none left behind."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from load_tests.errors import UsageError

_STOP_S = 20.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that said it is ready; ready_s is how long that took."""

    base_url: str
    pid: int
    ready_s: float


def free_port(wanted: int = 0) -> int:
    """Return `wanted`, or any free port for 0. Raises UsageError when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise UsageError(
                f"port {wanted} cannot be used ({error.strerror}); choose another"
            ) from None
        return int(probe.getsockname()[1])


@contextmanager
def running_server(
    command: Sequence[str],
    *,
    log: Path,
    port: int = 0,
    ready_path: str = "/readyz",
    start_timeout_s: float = 180.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """Run `command`, in which {port} stands for the port, until the block ends.

    Raises UsageError with the last lines of its log when it ends or stays silent.
    """
    chosen = free_port(port)
    words = [word.replace("{port}", str(chosen)) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with log.open("wb") as file:
        process = _start(words, file.fileno(), environment or {})
    try:
        base_url = f"http://127.0.0.1:{chosen}"
        _wait_ready(process, base_url + ready_path, log, begin + start_timeout_s)
        yield RunningServer(base_url, process.pid, time.perf_counter() - begin)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the process that was started; whatever outlives it and its children is killed.

    Children are noted before: BentoML's workers have sessions of their own, beyond its group.
    """
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    try:
        process.terminate()
        process.wait(_STOP_S)
        psutil.wait_procs(family, timeout=1.0)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also when a second Ctrl-C interrupts the wait
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # the group that the process leads
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()


def _start(
    words: Sequence[str], output: int, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    variables = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", **environment}
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,  # Ctrl-C reaches only this program, which then stops it
        )
    except OSError as error:
        raise UsageError(f"cannot start {words[0]!r}: {error.strerror}") from None


def _wait_ready(process: "subprocess.Popen[bytes]", url: str, log: Path, deadline_s: float) -> None:
    while time.perf_counter() < deadline_s:
        if process.poll() is not None:
            raise _not_started(f"it ended with exit code {process.returncode}", log)
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(_POLL_S)
    raise _not_started(f"{url} did not answer 200 in time", log)


def _not_started(reason: str, log: Path) -> UsageError:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1] if lines else "nothing"
    return UsageError(f"the server did not start: {reason}; the last line of {log}: {last}")
