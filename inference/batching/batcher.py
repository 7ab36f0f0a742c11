"""The threads that run the model, and the lock around what waits for them."""

import logging
import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic

from inference.batching.backlog import Backlog, Load
from inference.batching.costs import Costs
from inference.batching.running import Ran, run_divided
from inference.batching.schedule import Batch, Schedule
from inference.batching.tickets import Item, Part, Priority, Ticket
from inference.errors import DeadlineExceeded, DeviceLost, Overloaded

log = logging.getLogger("sightline")


class MicroBatcher(Generic[Item, Part]):
    """Feeds one model from one thread, or from `lanes` of them. Safe to call from any thread.

    A ticket is one image: admitted, prepared into items (itself, or its tiles), run, finished. Its
    place is free again when its future is done, and cancelling the future is one way to that.

    Work-conserving: an idle model starts at once with whatever is ready; nothing waits for company.
    One rule orders everything, earliest due first: image i of a request is due at
    `admitted_at + slack of its priority + i · seconds per image`, its tile k another
    k · seconds per item later, and both at the request's deadline if that is earlier. So a request
    of many images takes turns with others instead of blocking them, who is in a hurry goes ahead
    of who can wait, and since nobody can arrive before their own admission nothing starves.

    Only items of equal `key` share a batch. Its size follows from measured costs, see Costs, and
    the sum of its items' `weight`, a function of the key, is at most `max_weight`. When `model`
    raises, the items are tried alone, so that only the culprit's ticket gets the error; after a
    MemoryError the batch is halved instead, and smaller ones are chosen from then on. DeviceLost
    ends everything that waits, and the batcher; then `on_device_lost` is called, once.

    Full queues refuse at the door, see Backlog. What was admitted is finished, unless its deadline
    passes before it ran: it is dropped with DeadlineExceeded.
    """

    def __init__(
        self,
        model: Callable[[list[Item]], Sequence[Part]],
        *,
        key: Callable[[Item], Hashable] = lambda item: None,
        weight: Callable[[Hashable], float] = lambda key: 1,
        max_weight: float = math.inf,
        costs: Costs,
        lanes: int = 1,
        max_queue: int = 256,
        max_wait_s: float = math.inf,
        max_bytes: float = math.inf,
        seconds_per_image: float = 0.0,
        on_run: Callable[[list[Ticket[Item, Part]]], None] | None = None,
        on_device_lost: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start the threads.

        `on_run` gets the tickets whose items have all been in the model and must end each of them;
        by default they succeed with their parts.
        """
        self._model = model
        self._key = key
        self._costs = costs
        self._on_run = on_run or self._succeed_with_parts
        self._on_device_lost = on_device_lost
        self._clock = clock
        self._changed = threading.Condition()
        self._backlog: Backlog[Item, Part] = Backlog(
            max_images=max_queue,
            max_wait_s=max_wait_s,
            max_bytes=max_bytes,
            seconds_per_image=seconds_per_image,
        )
        self._schedule: Schedule[Item, Part] = Schedule(costs, weight=weight, max_weight=max_weight)
        self._closed = False
        self._lost: str | None = None
        self._threads = [
            threading.Thread(target=self._serve, name=f"model {i}", daemon=True)
            for i in range(lanes)
        ]
        for thread in self._threads:
            thread.start()

    def load(self) -> Load:
        """Tickets admitted and not yet done, and the age of the oldest."""
        with self._changed:
            return self._backlog.load(self._clock())

    def check_room(self) -> None:
        """Raise what `admit` would raise for one small payload more without a deadline."""
        with self._changed:
            self._check_open()
            self._backlog.check_room(1, due=self._clock() + Priority.INTERACTIVE.value)

    def admit(
        self,
        payloads: Sequence[Any],
        *,
        sizes_bytes: Sequence[int] | None = None,
        deadline_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Ticket[Item, Part]]:
        """Take a place for each payload, all or none; each ticket must then be started or failed.

        `deadline_s` is in seconds from now. Raises Overloaded when there is no room, not enough
        time, or the batcher is closed, and DeviceLost after the device was.
        """
        with self._changed:
            self._check_open()
            tickets = self._backlog.admit(
                payloads,
                now=self._clock(),
                sizes_bytes=sizes_bytes,
                deadline_s=deadline_s,
                priority=priority,
            )
            self._schedule.admit(tickets)
        for ticket in tickets:
            ticket.future.add_done_callback(partial(self._end_if_cancelled, ticket))
        return tickets

    def next_to_prepare(self) -> Ticket[Item, Part] | None:
        """Take the ticket that is due first from those not prepared yet; None if there is none."""
        self._fail_expired(self._clock())
        with self._changed:
            return self._schedule.next_to_prepare()

    def start(self, ticket: Ticket[Item, Part], items: Sequence[Item]) -> None:
        """Queue the items of a ticket, at least one, for the model."""
        keys = [self._key(item) for item in items]
        with self._changed:
            if ticket.is_open:
                ticket.prepared(items)
                self._schedule.add(ticket, keys)
                self._changed.notify_all()

    def succeed(self, ticket: Ticket[Item, Part], value: Any) -> None:
        """End a ticket with its result, unless it has ended already."""
        if self._end(ticket) and ticket.future.set_running_or_notify_cancel():
            ticket.future.set_result(value)

    def fail(self, ticket: Ticket[Item, Part], error: Exception) -> None:
        """End a ticket with an error, unless it has ended already."""
        if self._end(ticket) and ticket.future.set_running_or_notify_cancel():
            ticket.future.set_exception(error)

    def close(self) -> None:
        """Admit nothing more, finish what was admitted, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():  # on_device_lost may close it, too
                thread.join()

    def _check_open(self) -> None:
        if self._lost is not None:
            raise DeviceLost(self._lost)
        if self._closed:
            raise Overloaded("the server is stopping", retry_after_s=1.0)

    def _end(self, ticket: Ticket[Item, Part]) -> bool:
        """Free a place; always before its future is done, so that who sees the end may submit."""
        with self._changed:
            if not ticket.is_open:
                return False
            ticket.close()
            self._backlog.remove(ticket)
            self._changed.notify_all()
            return True

    def _end_if_cancelled(self, ticket: Ticket[Item, Part], future: "Future[Any]") -> None:
        if future.cancelled() and self._end(ticket):
            future.set_running_or_notify_cancel()  # or concurrent.futures.wait would not see it

    def _succeed_with_parts(self, tickets: list[Ticket[Item, Part]]) -> None:
        for ticket in tickets:
            self.succeed(ticket, tuple(ticket.parts))

    def _fail_expired(self, now: float) -> None:
        with self._changed:
            late = self._backlog.expired(now)
        for ticket in late:
            waited_s = now - ticket.admitted_at
            self.fail(ticket, DeadlineExceeded(f"dropped: not scored within {waited_s:.2f} s"))

    def _serve(self) -> None:
        try:
            while batch := self._next_batch():
                self._run(batch)
        except DeviceLost as error:
            self._abandon(str(error))
        except Exception as error:  # a defect of ours, but nobody may wait for ever
            log.exception("the model's thread failed")
            self._abandon(f"the model's thread failed ({error!r})")

    def _next_batch(self) -> Batch[Item, Part] | None:
        """Wait for work; None means that the batcher is closed and all is done."""
        while True:
            now = self._clock()
            self._fail_expired(now)
            with self._changed:
                if batch := self._schedule.take(now):
                    return batch
                if self._closed and not len(self._backlog):
                    return None
                self._changed.wait()

    def _run(self, batch: Batch[Item, Part]) -> None:
        begin = self._clock()
        for ran in run_divided(self._model, batch.entries, clock=self._clock):
            if ran.error is not None:
                self.fail(ran.entries[0].ticket, ran.error)
            elif done := self._record(batch.key, ran):
                self._on_run(done)
        with self._changed:
            self._backlog.learn(batch, begin=begin, end=self._clock())

    def _record(self, key: Hashable, ran: Ran[Item, Part]) -> list[Ticket[Item, Part]]:
        """Keep what came out of the model; return the tickets that it completes."""
        with self._changed:
            if len(ran.parts) == 0:  # too large together
                self._costs.refuse(key, len(ran.entries))
                return []
            self._costs.learn(key, len(ran.entries), ran.seconds)
            for entry, part in zip(ran.entries, ran.parts, strict=True):
                if entry.ticket.is_open:
                    entry.ticket.parts[entry.position] = part
                    entry.ticket.left -= 1
            tickets = [ticket for ticket in ran.tickets() if ticket.is_open]
            for ticket in tickets:
                ticket.forward_s += ran.seconds
                ticket.batch_size = max(ticket.batch_size, len(ran.entries))
            return [ticket for ticket in tickets if not ticket.left]

    def _abandon(self, reason: str) -> None:
        with self._changed:
            is_known = self._lost is not None
            self._closed = True
            self._lost = reason
            tickets = self._backlog.tickets()
        for ticket in tickets:
            self.fail(ticket, DeviceLost(reason))
        if not is_known:  # other lanes lose it as well
            self._on_device_lost()
