"""A bounded queue in front of one model: requests share batches, errors stay with their item."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from inference.errors import Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")

_SMOOTHING = 0.2  # weight of the newest batch in the measured seconds per item


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """The result of one item and where its time went.

    prepare_s: from admission until the item was ready for the model; queue_s: until its batch
    began; run_s: the batch's time in the model, shared by `batch_size` items.
    """

    value: Result
    prepare_s: float
    queue_s: float
    run_s: float
    batch_size: int


@dataclass(frozen=True, slots=True, eq=False)
class Ticket(Generic[Result]):
    """A place in the queue, held until its future is done; cancelling the future gives it back."""

    admitted_at: float
    future: "Future[Done[Result]]" = field(default_factory=Future)


@dataclass(frozen=True, slots=True, eq=False)
class _Entry(Generic[Item, Result]):
    item: Item
    key: Hashable
    ticket: Ticket[Result]
    ready_at: float


class MicroBatcher(Generic[Item, Result]):
    """Feeds one model from one thread. Safe to call from any thread.

    Work-conserving: an idle model starts at once with whatever waits. Oldest first; only items of
    equal `key` share a batch. `model` maps a list of items to as many results, in order; when it
    raises, the items are tried alone, so that only the culprit gets the error. After a MemoryError
    the batch is halved instead. A full queue rejects at the door; what was admitted is finished.
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
        self._seconds_per_item = 0.0
        self._last_end = clock()
        self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Items admitted and not yet done."""
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

    def start(self, ticket: Ticket[Result], item: Item) -> None:
        """Queue the item of an admitted ticket for the model."""
        entry = _Entry(item, self._key(item), ticket, self._clock())
        with self._changed:
            self._waiting.append(entry)
            self._changed.notify_all()

    def fail(self, ticket: Ticket[Result], error: Exception) -> None:
        """End an admitted ticket that was not started, unless it was cancelled meanwhile."""
        if ticket.future.set_running_or_notify_cancel():
            self._release()
            ticket.future.set_exception(error)

    def submit(self, item: Item) -> "Future[Done[Result]]":
        """Admit and start one item. Raises Overloaded when the queue is full."""
        (ticket,) = self.admit()
        self.start(ticket, item)
        return ticket.future

    def close(self) -> None:
        """Admit nothing more, finish what was admitted, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _overloaded(self, count: int) -> Overloaded:
        seconds = max(self._backlog * self._seconds_per_item, 0.001)
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
        for entry in self._waiting:
            fits = len(batch) < self._max_batch and (not batch or entry.key == batch[0].key)
            if not fits:
                left.append(entry)
            elif entry.ticket.future.set_running_or_notify_cancel():
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
        for entry, result in zip(batch, results, strict=True):
            prepare_s = entry.ready_at - entry.ticket.admitted_at
            done = Done(result, prepare_s, started_at - entry.ready_at, run_s, len(batch))
            self._release()
            entry.ticket.future.set_result(done)

    def _divide(self, batch: list[_Entry[Item, Result]], error: Exception) -> None:
        """Run the parts of a batch that failed; a single item keeps its error."""
        if len(batch) == 1:
            self._release()
            batch[0].ticket.future.set_exception(error)
            return
        size = len(batch) // 2 if isinstance(error, MemoryError) else 1
        for begin in range(0, len(batch), size):
            self._run(batch[begin : begin + size], self._clock())

    def _measure(self, batch: list[_Entry[Item, Result]]) -> None:
        """Learn the seconds per item while there was work, decoding included."""
        now = self._clock()
        busy_since = max(self._last_end, min(entry.ticket.admitted_at for entry in batch))
        newest = (now - busy_since) / len(batch)
        weight = _SMOOTHING if self._seconds_per_item else 1.0
        self._seconds_per_item += weight * (newest - self._seconds_per_item)
        self._last_end = now
