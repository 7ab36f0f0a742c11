"""What ties a trial's process to the controller that started it.

The controller holds the other end of the trial's standard input. When it dies, however it dies,
the trial reads an end of file and stops; no trial goes on without anybody who knows of it. A lock
in the trial's folder keeps a second process out for as long as the first one needs to stop.
"""

import errno
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.errors import UsageError

GRACE_SECONDS = 30.0  # to save and end, once a trial was asked to stop


def watch_controller() -> None:
    """End this process when its standard input ends: SIGTERM, and by force after a grace."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


@contextmanager
def trial_lock(folder: Path, *, wait_seconds: float = 2 * GRACE_SECONDS) -> Iterator[None]:
    """Hold a trial's folder; raises UsageError when another process does not let go of it.

    A POSIX lock: it is the process's alone, data workers do not inherit it, and it dies with it.
    """
    with (folder / ".lock").open("a+") as file:
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise UsageError(f"{folder} is being worked on by another process")
            time.sleep(0.02)
        yield


def wait_for_orphans(folders: Iterable[Path]) -> None:
    """Wait until no trial of a controller that was killed works in its folder any more.

    Raises UsageError when one of them does not end.
    """
    for folder in folders:
        if (folder / ".lock").exists():
            with trial_lock(folder):
                pass


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True
