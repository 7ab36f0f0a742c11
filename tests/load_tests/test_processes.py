"""Nothing that a command starts outlives it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import psutil
import pytest

from load_tests.errors import UsageError
from load_tests.processes import free_port, running_server
from tests.load_tests.servers import delayed, serving

ROOT = Path(__file__).parents[2]
# A server with a worker in a session of its own, as BentoML's; it is never ready.
STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleeper = [sys.executable, "-c", "import time; time.sleep(300)"]
worker = subprocess.Popen(sleeper, start_new_session=True)
pathlib.Path(sys.argv[2]).write_text(f"{os.getpid()} {worker.pid}")
time.sleep(300)
"""


def test_a_server_that_ends_shows_its_last_words(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no model here')", "{port}")
    with (
        pytest.raises(UsageError, match=r"exit code 1; .*no model here"),
        running_server(command, log=tmp_path / "log"),
    ):
        pass


def test_a_taken_port_is_refused() -> None:
    with serving(delayed(0.0)) as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(UsageError, match=f"port {port} cannot be used"):
            free_port(port)


def test_signals_stop_servers_and_their_workers(
    tmp_path: Path,
) -> None:
    script, pids = tmp_path / "server.py", tmp_path / "pids"
    script.write_text(STUBBORN)
    command = f"{sys.executable} {script} {{port}} {pids}"
    process = start("coldstart", "--command", command, "--out", str(tmp_path / "out"))
    family = [psutil.Process(int(pid)) for pid in wait_for(pids).split()]
    process.send_signal(signal.SIGTERM)  # the same as Ctrl-C, also where a shell has it ignored
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)  # this server ignores SIGTERM, and people are impatient
    assert process.wait(60) == 130
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert (len(gone), alive) == (2, [])


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(delayed(0.01)) as url:
        arguments = ("--clients", "1,2,3", "--duration", "1", "--out", str(out))
        process = start("sweep", "--url", url, *arguments, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # the first of three measurements
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    facts = orjson.loads((out / "results.json").read_bytes())
    assert facts["interrupted"] is True
    assert 1 <= len(facts["rows"]) < 3
    assert "Stopped with Ctrl-C" in (out / "results.md").read_text()


def start(*arguments: str, stdout: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-u", "-m", "load_tests", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=subprocess.DEVNULL)


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")
