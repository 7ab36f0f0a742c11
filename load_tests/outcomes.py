"""What happened to the requests of one measurement."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from load_tests.payloads import Payload

REJECTIONS = ("429", "503")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request. Times are seconds of one clock; `code` is the status or the client's error.

    scheduled_s: when it was due, in a closed loop when it was sent. `body` is kept on demand.
    """

    payload: Payload
    scheduled_s: float
    done_s: float
    code: str
    retry_after: str | None = None
    server_timing: str = ""
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether it was answered with 200."""
        return self.code == "200"

    @property
    def latency_s(self) -> float:
        """From when it was due, so that waiting behind a stalled server counts."""
        return self.done_s - self.scheduled_s

    @property
    def is_honest_rejection(self) -> bool:
        """Whether it was turned away with 429 or 503 and told when to come back."""
        return self.code in REJECTIONS and self.retry_after is not None


@dataclass(frozen=True, slots=True)
class Measurement:
    """The requests that were due in [begin_s, begin_s + seconds), or in flight at its begin.

    client_cpu_s is the processor time that the load generator itself used.
    """

    # asyncio.run writes out what it returns, unseen: gigabytes of text after 20 minutes.
    outcomes: Sequence[Outcome] = field(repr=False)
    begin_s: float
    seconds: float
    client_cpu_s: float
    interrupted: bool = False

    @property
    def due(self) -> list[Outcome]:
        """The requests whose latency and errors count."""
        return [outcome for outcome in self.outcomes if outcome.scheduled_s >= self.begin_s]

    @property
    def good_in_time(self) -> list[Outcome]:
        """The good answers that came before the end: what throughput and goodput count."""
        end_s = self.begin_s + self.seconds
        return [o for o in self.outcomes if o.ok and self.begin_s <= o.done_s <= end_s]
