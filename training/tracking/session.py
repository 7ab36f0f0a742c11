"""When a job is tracked, and the thread that does it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import typer

from inference.errors import UsageError
from training.runs import Run
from training.tracking.follower import Follower

_PASS_SECONDS, _RETRY_SECONDS = 2.0, 30.0
_LAST_TRY_SECONDS = 30.0  # for a store that has failed; one that works gets all the time it needs
_LONGEST_REASON = 300  # characters


def require_mlflow() -> str | None:
    """MLFLOW_TRACKING_URI, or None. Raises UsageError where it is set but MLflow is missing."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if uri and find_spec("mlflow") is None:
        raise UsageError(
            "MLFLOW_TRACKING_URI is set, but MLflow is not installed: pip install mlflow-skinny "
            "(or mlflow, where the store is a database), or unset the variable"
        )
    return uri or None


@contextmanager
def tracked(run: Run) -> Iterator[None]:
    """Log a job to MLflow while its body works on it, if the environment asks for it.

    Raises UsageError at the start as `require_mlflow` does, nothing later: trouble with the store
    is one warning. The end waits until all is logged; Ctrl-C ends the waiting.
    """
    uri = require_mlflow()
    if uri is None:
        yield
        return
    session = _Session(run, uri)
    session.start()
    try:
        yield
    finally:
        session.end()


class _Session(threading.Thread):
    def __init__(self, run: Run, uri: str) -> None:
        super().__init__(name="mlflow", daemon=True)  # whatever a store does, the program can end
        self._run = run
        self._uri = uri
        self._over = threading.Event()
        self._follower: Follower | None = None
        self._failed = False
        self._warned = False

    def run(self) -> None:
        """Log again and again until the job is over, then the rest."""
        while not self._over.is_set():
            self._try(last=False)
            self._over.wait(_RETRY_SECONDS if self._failed else _PASS_SECONDS)
        self._try(last=True)

    def end(self) -> None:
        """Say that the job is over, and wait."""
        self._over.set()
        try:
            self.join(_LAST_TRY_SECONDS)
            if self.is_alive() and not self._failed:
                typer.echo("logging to MLflow; Ctrl-C leaves the rest to `resume`", err=True)
                self.join()
        except KeyboardInterrupt:
            pass

    def _try(self, *, last: bool) -> None:
        try:
            self._follower = self._follower or Follower(self._run, self._uri)
            self._follower.finish() if last else self._follower.synchronize()
            self._failed = False
        except Exception as error:  # of a store or of the network, of whatever kind
            self._follower = None  # it does not know what the store took
            self._failed = True
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            line = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
            typer.echo(
                f"warning: MLflow has failed ({line}); the job goes on, and what is missing is "
                f"logged later, or by: python -m training resume {self._run.name}",
                err=True,
            )
