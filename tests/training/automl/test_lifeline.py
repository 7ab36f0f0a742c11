import subprocess
import sys
import time
from pathlib import Path

import pytest

from inference.errors import UsageError
from training.automl.lifeline import trial_lock, wait_for_orphans

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from training.automl.lifeline import trial_lock, watch_controller
watch_controller()
with trial_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder for as long as its standard input is open."""
    command = [sys.executable, "-S", "-c", HOLDER, tmp_path]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_stays_out(tmp_path, holder):
    with pytest.raises(UsageError, match="another process"), trial_lock(tmp_path, wait_seconds=0.1):
        pass


def test_orphans_are_waited_for(tmp_path, holder):
    started = time.monotonic()
    holder.stdin.close()
    wait_for_orphans([tmp_path])
    assert time.monotonic() - started < 20
    assert holder.wait(timeout=5) == -15


def test_a_folder_that_nobody_holds_is_free(tmp_path):
    wait_for_orphans([tmp_path])
    with trial_lock(tmp_path):
        pass
    with trial_lock(tmp_path, wait_seconds=0):
        pass
