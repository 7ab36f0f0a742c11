"""How tests are divided among processes (`pytest -n 2`, as in the Makefile): by file."""

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
