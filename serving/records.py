"""What is known about one request when it ends, for the log, the metrics and Server-Timing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.types import Scope

_KEY = "sightline.record"


@dataclass(slots=True)
class RequestRecord:
    """One request, written by the middleware and the route that serve it; times in seconds."""

    request_id: str
    method: str
    path: str
    client: str | None
    begin: float = field(default_factory=time.perf_counter)
    status: int = 0
    images: int = 0
    batch_sizes: list[int] = field(default_factory=list)
    stages_s: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request began."""
        return time.perf_counter() - self.begin

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block as the stage `name`."""
        begin = time.perf_counter()
        yield
        self.stages_s[name] = time.perf_counter() - begin

    def server_timing(self) -> str:
        """The stages so far as a Server-Timing header, in milliseconds."""
        stages = {**self.stages_s, "total": self.elapsed_s}
        return ", ".join(f"{name};dur={1000 * seconds:.2f}" for name, seconds in stages.items())


def attach(record: RequestRecord, scope: Scope) -> None:
    """Make `record` that of the request."""
    scope[_KEY] = record


def record_of(scope: Scope) -> RequestRecord:
    """Return the request's record, which Envelope has attached."""
    return scope[_KEY]
