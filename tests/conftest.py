"""How tests are divided among processes (`pytest -n 2`, see Makefile) and hear what is logged."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from logging.handlers import QueueHandler
from queue import Queue
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Files that share a fixture of the session which takes seconds: made once, in one process.
TRAINED_RUN = ("e2e/test_training.py", "e2e/test_training_errors.py", "e2e/test_register.py")
SERVER = tuple(
    f"service/test_{name}.py" for name in ("client", "fuzz", "operation", "page", "score", "stop")
)


class ByFile(LoadScopeScheduling):
    """Keeps the tests of a file together, and files that share a fixture."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return next((group[0] for group in (TRAINED_RUN, SERVER) if file.endswith(group)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Take the place of what --dist names."""
    return ByFile(config, log)


@pytest.fixture
def listen(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[str], list[logging.LogRecord]]]:
    """Returns what a named logger says from now on.

    bentoml's first command in a process disables every logger that exists, and servers' logs do
    not propagate; so the handler sits on the logger itself, and the logger is enabled.
    """
    restore = []

    def to(name: str) -> list[logging.LogRecord]:
        log = logging.getLogger(name)
        monkeypatch.setattr(log, "disabled", False)
        restore.append(partial(log.setLevel, log.level))
        log.setLevel(logging.INFO)
        records: Queue[logging.LogRecord] = Queue()
        handler = QueueHandler(records)
        log.addHandler(handler)
        restore.append(partial(log.removeHandler, handler))
        return records.queue

    yield to
    for step in restore:
        step()
