"""A bounded queue in front of one model: requests share batches, errors stay with their item."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from inference.errors import Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")

_SMOOTHING = 0.2  # weight of the newest batch in the measured seconds per ticket


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """The results of one ticket's items, in order, and where their time went.

    prepare_s: from admission until the items were ready for the model; queue_s: until their first
    batch began; run_s: the time in the model of the batches they were in; batch_size: the largest
    of these.
    """

    values: tuple[Result, ...]
    prepare_s: float
    queue_s: float
    run_s: float
    batch_size: int


@dataclass(frozen=True, slots=True, eq=False)
class Ticket(Generic[Result]):
    """A place in the queue, held until its future is done; cancelling the future gives it back."""

    admitted_at: float
    future: "Future[Done[Result]]" = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class _Work(Generic[Result]):
    """A ticket's items on their way; only the model thread writes to it."""

    ticket: Ticket[Result]
    ready_at: float
    results: list[Result | None]
    left: int
    begun_at: float | None = None
    run_s: float = 0.0
    batch_size: int = 0
    failed: bool = False

    def is_wanted(self) -> bool:
        """Whether an item of it should still run; from the first one on it cannot be cancelled."""
        if self.begun_at is None:
            return self.ticket.future.set_running_or_notify_cancel()
        return not self.failed


@dataclass(frozen=True, slots=True, eq=False)
class _Entry(Generic[Item, Result]):
    item: Item
    key: Hashable
    work: _Work[Result]
    index: int


class MicroBatcher(Generic[Item, Result]):
    """Feeds one model from one thread. Safe to call from any thread.

    Work-conserving: an idle model starts at once with whatever waits. Oldest first; only items of
    equal `key` share a batch. A ticket stands for one request's image and may have several items,
    its tiles. `model` maps a list of items to as many results, in order; when it raises, the items
    are tried alone, so that only the culprit's ticket gets the error. After a MemoryError the batch
    is halved instead. A full queue rejects at the door; what was admitted is finished.
    """

    def __init__(
        self,
        model: Callable[[list[Item]], Sequence[Result]],
        *,
        key: Callable[[Item], Hashable] = lambda item: None,
        max_batch: int = 8,
        max_queue: int = 256,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model = model
        self._key = key
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._backlog = 0
        self._closed = False
        self._seconds_per_ticket = 0.0
        self._last_end = clock()
        self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Tickets admitted and not yet done."""
        return self._backlog

    def admit(self, count: int = 1) -> list[Ticket[Result]]:
        """Take `count` places, all or none; each ticket must then be started or its future ended.

        Raises Overloaded when there is no room, with the time that the backlog needs to shrink.
        """
        tickets: list[Ticket[Result]] = [Ticket(self._clock()) for _ in range(count)]
        with self._changed:
            if self._closed:
                raise Overloaded("the server is stopping", retry_after_s=1.0)
            if self._backlog + count > self._max_queue:
                raise self._overloaded(count)
            self._backlog += count
        for ticket in tickets:
            ticket.future.add_done_callback(self._release_if_cancelled)
        return tickets

    def start(self, ticket: Ticket[Result], items: Sequence[Item]) -> None:
        """Queue the items of an admitted ticket, at least one, for the model."""
        work: _Work[Result] = _Work(ticket, self._clock(), [None] * len(items), len(items))
        entries = [_Entry(item, self._key(item), work, i) for i, item in enumerate(items)]
        with self._changed:
            self._waiting.extend(entries)
            self._changed.notify_all()

    def fail(self, ticket: Ticket[Result], error: Exception) -> None:
        """End an admitted ticket that was not started, unless it was cancelled meanwhile."""
        if ticket.future.set_running_or_notify_cancel():
            self._release()
            ticket.future.set_exception(error)

    def submit(self, item: Item) -> "Future[Done[Result]]":
        """Admit and start one item. Raises Overloaded when the queue is full."""
        (ticket,) = self.admit()
        self.start(ticket, [item])
        return ticket.future

    def close(self) -> None:
        """Admit nothing more, finish what was admitted, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _overloaded(self, count: int) -> Overloaded:
        seconds = max(self._backlog * self._seconds_per_ticket, 0.001)
        return Overloaded(
            f"the queue has no room for {count} more: {self._backlog} of {self._max_queue} places "
            f"are taken; try again in {seconds:.1f} s",
            retry_after_s=seconds,
        )

    def _release_if_cancelled(self, future: "Future[Done[Result]]") -> None:
        if future.cancelled():
            self._release()

    def _release(self) -> None:
        """Free a place; always before its future is done, so that who sees the end may submit."""
        with self._changed:
            self._backlog -= 1
            self._changed.notify_all()

    def _serve(self) -> None:
        while batch := self._next_batch():
            started_at = self._clock()
            self._run(batch, started_at)
            self._measure(batch)

    def _next_batch(self) -> list[_Entry[Item, Result]]:
        """Wait for work; an empty list means that the batcher is closed and all is done."""
        with self._changed:
            while True:
                if batch := self._take():
                    return batch
                if self._closed and not self._backlog:
                    return []
                self._changed.wait()

    def _take(self) -> list[_Entry[Item, Result]]:
        """Remove the oldest item and those behind it that may share its batch."""
        batch: list[_Entry[Item, Result]] = []
        left: deque[_Entry[Item, Result]] = deque()
        now = self._clock()
        for entry in self._waiting:
            fits = len(batch) < self._max_batch and (not batch or entry.key == batch[0].key)
            if not fits:
                left.append(entry)
            elif entry.work.is_wanted():
                if entry.work.begun_at is None:
                    entry.work.begun_at = now
                batch.append(entry)
        self._waiting = left
        return batch

    def _run(self, batch: list[_Entry[Item, Result]], started_at: float) -> None:
        try:
            results = self._model([entry.item for entry in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(batch)} items gave {len(results)} results")
        except Exception as error:  # whatever a model raises belongs to the item that caused it
            self._divide(batch, error)
            return
        run_s = self._clock() - started_at
        for work in {id(entry.work): entry.work for entry in batch}.values():
            work.run_s += run_s
            work.batch_size = max(work.batch_size, len(batch))
        for entry, result in zip(batch, results, strict=True):
            self._finish(entry, result)

    def _finish(self, entry: _Entry[Item, Result], result: Result) -> None:
        """Keep the result of one item; the last one of a ticket ends it."""
        work = entry.work
        work.results[entry.index] = result
        work.left -= 1
        if work.left or work.failed:
            return
        done = Done(
            cast(tuple[Result, ...], tuple(work.results)),
            work.ready_at - work.ticket.admitted_at,
            cast(float, work.begun_at) - work.ready_at,
            work.run_s,
            work.batch_size,
        )
        self._release()
        work.ticket.future.set_result(done)

    def _divide(self, batch: list[_Entry[Item, Result]], error: Exception) -> None:
        """Run the parts of a batch that failed; a single item's error is that of its ticket."""
        if len(batch) == 1:
            work = batch[0].work
            if not work.failed:
                work.failed = True
                self._release()
                work.ticket.future.set_exception(error)
            return
        size = len(batch) // 2 if isinstance(error, MemoryError) else 1
        for begin in range(0, len(batch), size):
            self._run(batch[begin : begin + size], self._clock())

    def _measure(self, batch: list[_Entry[Item, Result]]) -> None:
        """Learn the seconds per ticket while there was work, decoding included."""
        now = self._clock()
        admitted_at = min(entry.work.ticket.admitted_at for entry in batch)
        tickets = sum(1 / len(entry.work.results) for entry in batch)
        newest = (now - max(self._last_end, admitted_at)) / tickets
        weight = _SMOOTHING if self._seconds_per_ticket else 1.0
        self._seconds_per_ticket += weight * (newest - self._seconds_per_ticket)
        self._last_end = now
