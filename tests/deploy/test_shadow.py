"""Copies reach the comparer, answers do not wait for it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import UsageError
from tests.deploy.commands import deploy, render
from tests.deploy.servers import (
    ROOT,
    ask,
    free_port,
    model_server,
    running_nginx,
    shared_folder,
)

SURE = [{"probs": [0.9, 0.1], "labels": ["cat", "dog"]}]
UNSURE = [{"probs": [0.4, 0.6], "labels": ["cat", "dog"]}]


class Shadow:
    """`python -m deploy shadow` as its own process."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, records: Path) -> None:
        self.port = port
        self._process = process
        self._records = records

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._records.read_text().splitlines()]

    def stop(self) -> str:
        """End it; returns its summary."""
        self._process.send_signal(signal.SIGTERM)
        _, errors = self._process.communicate(timeout=20)
        assert self._process.returncode == 0, errors
        return errors


@contextmanager
def comparer(folder: Path, primary: str, candidate: str) -> Iterator[Shadow]:
    records = folder / "shadow.jsonl"
    command = [sys.executable, "-m", "deploy", "shadow", "--port", "0", "--output", str(records)]
    command += ["--primary", f"http://{primary}", "--candidate", f"http://{candidate}"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("waiting for copies at port ")
        yield Shadow(process, int(line.split()[-1]), records)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_copies_are_compared_and_answers_are_untouched(tmp_path: Path) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(shared_folder())
        a = stack.enter_context(model_server("a", SURE))
        b = stack.enter_context(model_server("b", UNSURE))
        shadow = stack.enter_context(comparer(tmp_path, a, b))
        port = free_port()
        servers = ("--server", f"a={a}", "--server", f"b={b}", "--port", str(port))
        copies = ("--shadow", "b=50", "--comparer", f"127.0.0.1:{shadow.port}")
        render("nginx", "--model", "a=100", "--model", "b=0", *servers, *copies, output=folder)
        stack.enter_context(running_nginx(folder, port))

        answers = []
        for number in range(200):
            headers = {"X-Request-Id": str(number), "Content-Type": "image/jpeg"}
            answers.append(ask(port, b"image", **headers))
            time.sleep(0.002)  # the comparer asks two models in this time
        assert answers == [(200, "a")] * 200
        summary = shadow.stop()

        records = shadow.records()
        assert 60 < len(records) < 140  # 50 % of 200, ± 5.6 standard deviations
        first = records[0]
        assert first["status"] == [200, 200]
        assert first["images"] == [{"agree": False, "top": ["cat", "dog"], "max_difference": 0.5}]
        assert {record["request_id"] for record in records} <= {"ready?", *map(str, range(200))}
        assert f"{len(records)} requests compared" in summary
        assert "same top label or boxes: 0.0%" in summary


def test_a_dead_comparer_costs_no_answer() -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(shared_folder())
        a = stack.enter_context(model_server("a"))
        b = stack.enter_context(model_server("b"))
        port = free_port()
        servers = ("--server", f"a={a}", "--server", f"b={b}", "--port", str(port))
        copies = ("--shadow", "b=100", "--comparer", f"127.0.0.1:{free_port()}")
        render("nginx", "--model", "a=100", "--model", "b=0", *servers, *copies, output=folder)
        stack.enter_context(running_nginx(folder, port))
        assert [ask(port) for _ in range(20)] == [(200, "a")] * 20


def test_a_model_that_does_not_answer_is_status_0(tmp_path: Path) -> None:
    with model_server("a") as a, comparer(tmp_path, a, f"127.0.0.1:{free_port()}") as shadow:
        ask(shadow.port)
        assert "candidate: 1 requests failed" in shadow.stop()
        (record,) = shadow.records()
    assert record["status"] == [200, 0]
    assert record["images"] == []


def test_an_address_without_a_scheme_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected an address such as http"):
        deploy("shadow", "--primary", "a:1", "--candidate", "http://b:1", output=tmp_path / "x")
