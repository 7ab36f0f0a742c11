"""The images admitted and not yet done: how many there may be, and when they will be done."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

from inference.batching.costs import smoothed
from inference.batching.schedule import Batch
from inference.batching.tickets import Item, Part, Priority, Ticket
from inference.errors import Overloaded

_LEAST_WAIT_S = 0.001
_NO_CROWD = 32  # images ahead that are no overload, however slow the model is


@dataclass(frozen=True, slots=True)
class Load:
    """Images admitted and not yet done, and the age of the oldest one in seconds."""

    queued: int
    oldest_s: float


class Backlog(Generic[Item, Part]):
    """Admits images, all of a request or none; not safe for threads, and told the time.

    The images of a request are due one after the other, `seconds_per_image` apart, as if it had the
    model to itself; `seconds_per_image` is measured while there is work, decoding included.
    """

    def __init__(
        self,
        *,
        max_images: int,
        max_wait_s: float = math.inf,
        max_bytes: float = math.inf,
        seconds_per_image: float = 0.0,
    ) -> None:
        self.seconds_per_image = seconds_per_image
        self._max_images = max_images
        self._max_wait_s = max_wait_s
        self._max_bytes = max_bytes
        self._open: dict[Ticket[Item, Part], None] = {}  # in the order of admission
        self._bytes = 0
        self._next_deadline = math.inf  # no later than the first one
        self._last_end = -math.inf

    def __len__(self) -> int:
        return len(self._open)

    def load(self, now: float) -> Load:
        """Return how much waits and for how long."""
        oldest = next(iter(self._open), None)
        return Load(len(self._open), now - oldest.admitted_at if oldest else 0.0)

    def admit(
        self,
        payloads: Sequence[Any],
        *,
        now: float,
        sizes_bytes: Sequence[int] | None = None,
        deadline_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Ticket[Item, Part]]:
        """Take a place for each payload.

        Raises Overloaded when there is no room, when the first image would wait for more than 32
        others and for longer than `max_wait_s`, or when there is no time before the deadline, which
        is `deadline_s` from now. Who finds nobody ahead is admitted however large its images are
        and however close its deadline is: an estimate must not keep an idle model from learning.
        """
        deadline = now + (math.inf if deadline_s is None else deadline_s)
        first = now + priority.value
        tickets: list[Ticket[Item, Part]] = [
            Ticket(payload, size, now, min(first + i * self.seconds_per_image, deadline), deadline)
            for i, (payload, size) in enumerate(
                zip(payloads, sizes_bytes or [0] * len(payloads), strict=True)
            )
        ]
        size_bytes = sum(ticket.size_bytes for ticket in tickets)
        self.check_room(len(tickets), size_bytes=size_bytes, due=first)
        if tickets and deadline_s is not None:
            self._check_time(tickets, deadline_s)
        self._open |= dict.fromkeys(tickets)
        self._bytes += sum(ticket.size_bytes for ticket in tickets)
        self._next_deadline = min(self._next_deadline, deadline)
        return tickets

    def check_room(self, images: int, *, size_bytes: int = 0, due: float = math.inf) -> None:
        """Raise Overloaded unless there is room for so many images, the first of them due then."""
        wait_s = max(len(self._open) * self.seconds_per_image, _LEAST_WAIT_S)
        if len(self._open) + images > self._max_images:
            raise Overloaded(
                f"the queue has no room for {images} more: {len(self._open)} of "
                f"{self._max_images} places are taken; try again in {wait_s:.1f} s",
                retry_after_s=wait_s,
            )
        if self._open and self._bytes + size_bytes > self._max_bytes:
            raise Overloaded(
                f"the queue has no room for {size_bytes:,} bytes more: {self._bytes:,} of "
                f"{self._max_bytes:,} are taken; try again in {wait_s:.1f} s",
                retry_after_s=wait_s,
            )

        ahead = sum(ticket.due <= due for ticket in self._open)
        ahead_s = ahead * self.seconds_per_image
        if ahead > _NO_CROWD and ahead_s > self._max_wait_s:
            wait_s = ahead_s - self._max_wait_s
            raise Overloaded(
                f"the {ahead} images ahead need {ahead_s:.1f} s, and {self._max_wait_s:g} s is the "
                f"longest wait here; try again in {wait_s:.1f} s",
                retry_after_s=max(wait_s, _LEAST_WAIT_S),
            )

    def remove(self, ticket: Ticket[Item, Part]) -> None:
        """Give a place back."""
        del self._open[ticket]
        self._bytes -= ticket.size_bytes

    def tickets(self) -> list[Ticket[Item, Part]]:
        """All that are not done, oldest first."""
        return list(self._open)

    def expired(self, now: float) -> list[Ticket[Item, Part]]:
        """Those whose deadline has passed before all of their items went into the model."""
        if now < self._next_deadline:
            return []
        later = [ticket.deadline for ticket in self._open if ticket.deadline > now]
        self._next_deadline = min(later, default=math.inf)
        return [t for t in self._open if t.deadline <= now and t.can_expire()]

    def learn(self, batch: Batch[Item, Part], *, begin: float, end: float) -> None:
        """Take note of a batch that ran from `begin` to `end`.

        If a ticket of it was there when the batch before ended, the time since then was work too.
        """
        oldest = min(entry.ticket.admitted_at for entry in batch.entries)
        was_busy = oldest <= self._last_end
        newest = (end - (self._last_end if was_busy else begin)) / batch.images
        self.seconds_per_image = smoothed(self.seconds_per_image, newest)
        self._last_end = end

    def _check_time(self, tickets: Sequence[Ticket[Item, Part]], deadline_s: float) -> None:
        ahead = sum(ticket.due <= tickets[-1].due for ticket in self._open)
        ahead_s = ahead * self.seconds_per_image
        late_s = ahead_s + len(tickets) * self.seconds_per_image - deadline_s
        if ahead and late_s > 0:
            wait_s = max(min(late_s, ahead_s), _LEAST_WAIT_S)
            raise Overloaded(
                f"the {ahead} images ahead need {ahead_s:.1f} s, so {len(tickets)} more cannot be "
                f"done within {deadline_s:g} s; try again in {wait_s:.1f} s",
                retry_after_s=wait_s,
            )
