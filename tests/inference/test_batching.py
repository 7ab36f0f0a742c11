import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from inference.batching import Done, MicroBatcher
from inference.errors import Overloaded

WAIT_S = 10  # no test waits that long; it only ends one that would hang


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Model:
    """Multiplies by 10. Begins and ends each batch when told; refuses what it is told to refuse."""

    def __init__(self, *, bad: Any = None, largest: int = 100) -> None:
        self.bad = bad
        self.largest = largest
        self.batches: list[list[Any]] = []
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)

    def __call__(self, items: list[Any]) -> list[Any]:
        self.batches.append(items)
        self._begun.release()
        assert self._may_end.acquire(timeout=WAIT_S)
        if len(items) > self.largest:
            raise MemoryError(f"{len(items)} are too many")
        if self.bad in items:
            raise ValueError(f"cannot take {self.bad}")
        return [item * 10 for item in items]

    def wait_begun(self) -> None:
        assert self._begun.acquire(timeout=WAIT_S)

    def let_end(self, batches: int = 100) -> None:
        self._may_end.release(batches)


@contextmanager
def batcher(model: Any, **options: Any) -> Iterator[MicroBatcher[Any, Any]]:
    running = MicroBatcher(model, **options)
    try:
        yield running
    finally:
        if isinstance(model, Model):
            model.let_end()
        running.close()


def done(future: "Future[Done[Any]]") -> Any:
    (value,) = future.result(timeout=WAIT_S).values
    return value


def test_without_work_it_closes() -> None:
    with batcher(Model()) as running:
        assert running.backlog == 0


def test_an_idle_model_starts_with_a_single_item() -> None:
    model = Model()
    with batcher(model, max_batch=8) as running:
        future = running.submit(1)
        model.wait_begun()
        assert model.batches == [[1]]
        model.let_end(1)
        assert done(future) == 10


def test_what_waits_shares_batches_oldest_first() -> None:
    model = Model()
    with batcher(model, max_batch=2) as running:
        first = running.submit(0)
        model.wait_begun()
        rest = [running.submit(i) for i in (1, 2, 3)]
        model.let_end()
        assert [done(future) for future in (first, *rest)] == [0, 10, 20, 30]
        assert model.batches == [[0], [1, 2], [3]]


def test_only_equal_keys_share_a_batch() -> None:
    model = Model()
    with batcher(model, key=len) as running:
        running.submit("-")
        model.wait_begun()
        futures = [running.submit(item) for item in ("aa", "b", "cc", "d")]
        model.let_end()
        assert [done(future) for future in futures] == [
            item * 10 for item in ("aa", "b", "cc", "d")
        ]
        assert model.batches == [["-"], ["aa", "cc"], ["b", "d"]]


def test_only_the_culprit_of_a_failed_batch_fails() -> None:
    model = Model(bad=2)
    with batcher(model) as running:
        running.submit(0)
        model.wait_begun()
        one, two, three = (running.submit(i) for i in (1, 2, 3))
        model.let_end()
        assert [done(one), done(three)] == [10, 30]
        with pytest.raises(ValueError, match="cannot take 2"):
            done(two)
        assert model.batches == [[0], [1, 2, 3], [1], [2], [3]]


def test_out_of_memory_halves_the_batch() -> None:
    model = Model(largest=2)
    with batcher(model) as running:
        running.submit(0)
        model.wait_begun()
        futures = [running.submit(i) for i in (1, 2, 3, 4, 5)]
        model.let_end()
        assert [done(future) for future in futures] == [10, 20, 30, 40, 50]
        assert model.batches == [[0], [1, 2, 3, 4, 5], [1, 2], [3, 4], [5]]


def test_an_item_too_large_alone_gets_the_error() -> None:
    model = Model(largest=0)
    model.let_end()
    with batcher(model) as running, pytest.raises(MemoryError, match="1 are too many"):
        done(running.submit(1))


def test_a_model_that_loses_a_result_fails_its_items() -> None:
    with batcher(lambda items: []) as running, pytest.raises(RuntimeError, match="1 items gave 0"):
        done(running.submit(1))


def test_a_full_queue_refuses_with_the_time_that_the_backlog_needs() -> None:
    clock = Clock()

    def two_seconds_each(items: list[int]) -> list[int]:
        clock.now += 2.0 * len(items)
        model(items)
        return items

    model = Model()
    with batcher(two_seconds_each, clock=clock, max_queue=3) as running:
        model.let_end(1)
        done(running.submit(0))
        waiting = [running.submit(1)]
        model.wait_begun()
        model.wait_begun()  # the second batch has begun, so the first has been measured
        waiting += [running.submit(i) for i in (2, 3)]
        with pytest.raises(Overloaded, match="no room for 1 more: 3 of 3 places") as refusal:
            running.submit(4)
        assert refusal.value.retry_after_s == pytest.approx(3 * 2.0)
        model.let_end()
        assert [done(future) for future in waiting] == [1, 2, 3]


def test_admission_is_all_or_none() -> None:
    with batcher(Model(), max_queue=3) as running:
        tickets = running.admit(2)
        with pytest.raises(Overloaded, match="no room for 2 more: 2 of 3"):
            running.admit(2)
        assert running.backlog == 2
        for ticket in tickets:
            ticket.future.cancel()
        assert running.backlog == 0


def test_a_cancelled_item_is_dropped_and_frees_its_place() -> None:
    model = Model()
    with batcher(model, max_queue=2) as running:
        running.submit(0)
        model.wait_begun()
        assert running.submit(1).cancel()
        last = running.submit(2)
        model.let_end()
        assert done(last) == 20
        assert model.batches == [[0], [2]]


def test_an_item_that_cannot_be_prepared_fails_and_frees_its_place() -> None:
    with batcher(Model(), max_queue=1) as running:
        (ticket,) = running.admit()
        running.fail(ticket, ValueError("no image"))
        with pytest.raises(ValueError, match="no image"):
            done(ticket.future)
        assert running.backlog == 0


def test_failing_a_cancelled_ticket_changes_nothing() -> None:
    with batcher(Model()) as running:
        (ticket,) = running.admit()
        ticket.future.cancel()
        running.fail(ticket, ValueError("too late"))
        assert ticket.future.cancelled()


def test_close_finishes_what_was_admitted_and_refuses_the_rest() -> None:
    model = Model()
    running = MicroBatcher(model)
    futures = [running.submit(i) for i in (1, 2, 3)]
    closing = threading.Thread(target=running.close)
    closing.start()
    model.let_end()
    closing.join(timeout=WAIT_S)
    assert not closing.is_alive()
    assert [done(future) for future in futures] == [10, 20, 30]
    with pytest.raises(Overloaded, match="stopping"):
        running.submit(4)


def test_stage_times_tell_preparation_queue_and_model_apart() -> None:
    clock = Clock()

    def slow(items: list[int]) -> list[int]:
        clock.now += 4.0
        return items

    with batcher(slow, clock=clock) as running:
        (ticket,) = running.admit()
        clock.now += 1.0
        running.start(ticket, [7])
        assert ticket.future.result(timeout=WAIT_S) == Done((7,), 1.0, 0.0, 4.0, 1)
