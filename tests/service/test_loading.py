"""A worker that cannot serve ends itself, so that another one replaces it."""

import subprocess
import sys

import pytest

from tests.service.servers import ROOT

_SCRIPT = """
import asyncio
from inference.errors import DeviceLost, UsageError
from serving.loading import LoadingPredictor, end_soon

def fail():
    raise {error}

async def serve():
    {start}
    print("answering", flush=True)
    await asyncio.sleep(30)

asyncio.run(serve())
"""


@pytest.mark.parametrize(
    ("start", "error", "message", "has_traceback", "status"),
    [
        ("LoadingPredictor(fail)", "UsageError('no GPU')", "not loaded: no GPU", False, 78),
        ("LoadingPredictor(fail)", "DeviceLost('gone')", "not loaded: gone", True, 70),
        ("LoadingPredictor(fail)", "RuntimeError('bug')", "not loaded: bug", True, 70),
        ("end_soon('the device is lost')", "0", "the device is lost; this worker ends", False, 70),
    ],
)
def test_a_worker_that_cannot_serve_ends(
    start: str, error: str, message: str, has_traceback: bool, status: int
) -> None:
    command = [sys.executable, "-c", _SCRIPT.format(start=start, error=error)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == status
    assert "answering" in ran.stdout
    assert message in ran.stderr
    assert ("Traceback" in ran.stderr) is has_traceback
