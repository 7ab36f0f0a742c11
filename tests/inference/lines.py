"""The batcher's rules without its threads: time moves when a test says so."""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from inference.batching.backlog import Backlog
from inference.batching.costs import Costs
from inference.batching.schedule import Batch, Schedule
from inference.batching.tickets import Ticket


class Line:
    """One decoder that takes no time, and a model whose batches take `seconds(size)`.

    Items are names; `key` says which may share a batch.
    """

    def __init__(
        self,
        *,
        table: Mapping[int, float] | None = None,
        max_batch: int = 1,
        key: Callable[[str], Hashable] = lambda item: None,
        weight: Callable[[Hashable], float] = lambda key: 1,
        max_weight: float = math.inf,
        max_images: int = 10_000,
        seconds_per_image: float = 1.0,
    ) -> None:
        self.now = 0.0
        self.key = key
        self.costs = Costs(max_batch)
        for size, seconds in (table or {}).items():
            self.costs.enter(None, size, seconds)
        self.backlog: Backlog[str, str] = Backlog(
            max_images=max_images, seconds_per_image=seconds_per_image
        )
        self.schedule: Schedule[str, str] = Schedule(
            self.costs, weight=weight, max_weight=max_weight
        )

    def arrive(self, *names: str, tiles: int = 1, **options: Any) -> list[Ticket[str, str]]:
        """Admit a request's images and prepare all that wait, tiles as `name.0`, `name.1` …"""
        tickets = self.backlog.admit(names, now=self.now, **options)
        self.schedule.admit(tickets)
        while ticket := self.schedule.next_to_prepare():
            name = ticket.payload
            ticket.prepared([f"{name}.{i}" for i in range(tiles)] if tiles > 1 else [name])
            self.schedule.add(ticket, [self.key(item) for item in ticket.items])
        return tickets

    def end(self, ticket: Ticket[str, str]) -> None:
        """Close a ticket as the batcher does."""
        ticket.close()
        self.backlog.remove(ticket)

    def take(self) -> Batch[str, str] | None:
        """Fail what is late and take a batch."""
        for ticket in self.backlog.expired(self.now):
            self.end(ticket)
        return self.schedule.take(self.now)

    def run(self, seconds: float = 0.0) -> list[str]:
        """Take one batch and let it run so long; the names of its items."""
        batch = self.take()
        if batch is None:
            return []
        self.now += seconds
        for entry in batch.entries:
            entry.ticket.left -= 1
            if not entry.ticket.left and entry.ticket.is_open:
                self.end(entry.ticket)
        return [entry.item for entry in batch.entries]

    def run_all(self) -> list[list[str]]:
        """Take batches until nothing waits; time stands still."""
        batches = []
        while batch := self.run():
            batches.append(batch)
        return batches
