"""What waits, in the order in which it is due; for the decoders and for the model."""

import heapq
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple

from inference.batching.costs import Costs
from inference.batching.tickets import Item, Part, Ticket


class Entry(NamedTuple, Generic[Item, Part]):
    """One item of a batch, and which of its ticket's items it is."""

    item: Item
    ticket: Ticket[Item, Part]
    position: int


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item, Part]):
    """Items of equal key that run together, at least one, and how many images' work that is."""

    key: Hashable
    entries: Sequence[Entry[Item, Part]]
    images: float


class _Place(NamedTuple, Generic[Item, Part]):
    due: float
    age: int  # what is due at the same time goes by age, and tickets are never compared
    ticket: Ticket[Item, Part]
    position: int = 0


class Schedule(Generic[Item, Part]):
    """Earliest due first; not safe for threads, and told the time.

    An image is due at the time that its ticket says, its tiles one after the other from then on, as
    many seconds apart as one takes in the model, and none after the deadline. What was due once is
    never put off, so whatever arrives later than that cannot go ahead of it: nothing starves. A
    closed ticket's places stay in the heaps until they come to the top, empty.
    """

    def __init__(
        self,
        costs: Costs,
        *,
        weight: Callable[[Hashable], float] = lambda key: 1,
        max_weight: float = math.inf,
    ) -> None:
        self._costs = costs
        self._weight = weight
        self._max_weight = max_weight
        self._age = itertools.count()
        self._unprepared: list[_Place[Item, Part]] = []
        self._ready: dict[Hashable, list[_Place[Item, Part]]] = {}

    def admit(self, tickets: Iterable[Ticket[Item, Part]]) -> None:
        """Let tickets wait for a decoder."""
        for ticket in tickets:
            heapq.heappush(self._unprepared, _Place(ticket.due, next(self._age), ticket))

    def next_to_prepare(self) -> Ticket[Item, Part] | None:
        """Remove the open ticket that is due first from those that wait for a decoder."""
        while self._unprepared:
            ticket = heapq.heappop(self._unprepared).ticket
            if ticket.is_open:
                return ticket
        return None

    def add(self, ticket: Ticket[Item, Part], keys: Sequence[Hashable]) -> None:
        """Let a prepared ticket's items, whose keys these are, wait for the model."""
        for i, key in enumerate(keys):
            seconds = self._costs.seconds_per_item(key, at_most=self._most(key))
            due = min(ticket.due + i * seconds, ticket.deadline)
            place = _Place(due, next(self._age), ticket, i)
            heapq.heappush(self._ready.setdefault(key, []), place)

    def take(self, now: float) -> Batch[Item, Part] | None:
        """Remove the item that is due first and those of its key that follow, for one batch.

        What is past its deadline is not taken; its ticket has to be failed by whoever holds it.
        """
        for key in list(self._ready):
            if not self._skip_dead(key, now):
                del self._ready[key]
        if not self._ready:
            return None
        key = min(self._ready, key=lambda one: self._ready[one][0])
        size = self._costs.batch_size(key, at_most=self._most(key))
        entries: list[Entry[Item, Part]] = []
        while len(entries) < size and self._skip_dead(key, now):
            place = heapq.heappop(self._ready[key])
            place.ticket.unrun -= 1
            entries.append(Entry(place.ticket.items[place.position], place.ticket, place.position))
        return Batch(key, entries, sum(1 / len(entry.ticket.items) for entry in entries))

    def _skip_dead(self, key: Hashable, now: float) -> bool:
        """Bring a living item to the top of a heap; False if there is none."""
        heap = self._ready[key]
        while heap and not (heap[0].ticket.is_open and now < heap[0].ticket.deadline):
            heapq.heappop(heap)
        return bool(heap)

    def _most(self, key: Hashable) -> int:
        """How many items of a key a batch may have."""
        return max(1, int(min(self._costs.sizes[-1], self._max_weight / self._weight(key))))
