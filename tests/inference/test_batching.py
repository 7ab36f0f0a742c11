import threading
from collections.abc import Sequence
from concurrent.futures import wait
from typing import Any

import pytest

from inference.batching import Costs, Load, MicroBatcher, Ticket
from inference.errors import DeadlineExceeded, DeviceLost, Overloaded
from tests.inference.batchers import WAIT_S, Clock, Model, batcher, done, submit


def test_without_work_it_closes() -> None:
    with batcher(Model()) as running:
        assert running.load() == Load(0, 0.0)
        assert running.next_to_prepare() is None


def test_an_idle_model_starts_with_a_single_item() -> None:
    model = Model()
    with batcher(model) as running:
        future = submit(running, 1)
        model.wait_begun()
        assert model.batches == [[1]]
        model.let_end(1)
        assert done(future) == 10


def test_what_waits_shares_batches_oldest_first() -> None:
    model = Model()
    with batcher(model, max_batch=2) as running:
        first = submit(running, 0)
        model.wait_begun()
        rest = [submit(running, i) for i in (1, 2, 3)]
        model.let_end()
        assert [done(future) for future in (first, *rest)] == [0, 10, 20, 30]
        assert model.batches == [[0], [1, 2], [3]]


def test_an_image_of_many_tiles_gets_all_their_parts_in_order() -> None:
    model = Model()
    with batcher(model, max_batch=2) as running:
        future = submit(running, 3, 1, 2)
        model.let_end()
        assert future.result(WAIT_S) == (30, 10, 20)
        assert model.batches == [[3, 1], [2]]


def test_only_the_culprit_of_a_failed_batch_fails() -> None:
    model = Model(bad=2)
    with batcher(model) as running:
        submit(running, 0)
        model.wait_begun()
        one, two, three = (submit(running, i) for i in (1, 2, 3))
        model.let_end()
        assert [done(one), done(three)] == [10, 30]
        with pytest.raises(ValueError, match="cannot take 2"):
            done(two)
        assert model.batches == [[0], [1, 2, 3], [1], [2], [3]]


def test_after_a_tile_has_failed_the_rest_of_its_image_is_dropped() -> None:
    model = Model(bad=1)
    with batcher(model, max_batch=1) as running:
        future = submit(running, 1, 2, 3)
        model.let_end()
        with pytest.raises(ValueError, match="cannot take 1"):
            future.result(WAIT_S)
        assert done(submit(running, 4)) == 40
        assert model.batches == [[1], [4]]


def test_a_failed_batch_is_not_tried_again_for_who_has_given_up() -> None:
    model = Model(bad=2)
    with batcher(model) as running:
        submit(running, 0)
        model.wait_begun()
        photo, cancelled = submit(running, 2, 3), submit(running, 4)
        model.let_end(1)
        model.wait_begun()
        assert cancelled.cancel()
        model.let_end()
        with pytest.raises(ValueError, match="cannot take 2"):
            done(photo)
    assert model.batches == [[0], [2, 3, 4], [2]]


def test_out_of_memory_halves_the_batch_and_those_that_follow() -> None:
    model = Model(largest=2)
    with batcher(model) as running:
        submit(running, 0)
        model.wait_begun()
        futures = [submit(running, i) for i in range(1, 6)]
        model.let_end(5)
        assert [done(future) for future in futures] == [10, 20, 30, 40, 50]
        assert model.batches == [[0], [1, 2, 3, 4, 5], [1, 2], [3, 4], [5]]
        submit(running, 6)
        for _ in range(5):
            model.wait_begun()
        later = [submit(running, i) for i in range(7, 10)]
        model.let_end()
        assert [done(future) for future in later] == [70, 80, 90]
        assert model.batches[5:] == [[6], [7, 8], [9]]


def test_an_item_too_large_alone_gets_the_error() -> None:
    model = Model(largest=0)
    model.let_end()
    with batcher(model) as running, pytest.raises(MemoryError, match="1 are too many"):
        done(submit(running, 1))


def test_a_model_that_loses_a_result_fails_its_items() -> None:
    with batcher(lambda items: []) as running, pytest.raises(RuntimeError, match="1 items gave 0"):
        done(submit(running, 1))


def test_a_lost_device_fails_all_that_waits_and_says_so_once() -> None:
    model = Model(deadly=1)
    calls: list[bool] = []
    called = threading.Event()

    def on_device_lost() -> None:
        calls.append(all(future.done() for future in futures))
        running.close()  # the callback may close it
        called.set()

    with batcher(model, max_batch=1, on_device_lost=on_device_lost) as running:
        futures = [submit(running, i) for i in (1, 2)]
        (unprepared,) = running.admit(["image"])
        futures.append(unprepared.future)
        model.let_end()
        for future in futures:
            with pytest.raises(DeviceLost, match="illegal memory access"):
                future.result(WAIT_S)
        assert called.wait(WAIT_S)
        with pytest.raises(DeviceLost, match="illegal memory access"):
            running.admit(["image"])
        running.start(unprepared, [3])
        assert running.load() == Load(0, 0.0)
    assert model.batches == [[1]]
    assert calls == [True]


def test_a_defect_in_the_thread_leaves_nobody_waiting() -> None:
    def defect(tickets: Sequence[Ticket[Any, Any]]) -> None:
        raise ZeroDivisionError("a defect")

    lost = threading.Event()
    with batcher(lambda items: items, on_run=defect, on_device_lost=lost.set) as running:
        with pytest.raises(DeviceLost, match=r"thread failed \(ZeroDivisionError"):
            done(submit(running, 1))
        assert lost.wait(WAIT_S)


def test_a_full_queue_refuses_with_the_time_that_the_backlog_needs() -> None:
    clock = Clock()

    def two_seconds_each(items: list[int]) -> list[int]:
        clock.now += 2.0 * len(items)
        model(items)
        return items

    model = Model()
    with batcher(two_seconds_each, clock=clock, max_queue=3) as running:
        model.let_end(1)
        done(submit(running, 0))
        waiting = [submit(running, 1)]
        model.wait_begun()
        model.wait_begun()  # the second batch has begun, so the first has been measured
        waiting += [submit(running, i) for i in (2, 3)]
        with pytest.raises(Overloaded, match="no room for 1 more: 3 of 3 places") as refusal:
            submit(running, 4)
        assert refusal.value.retry_after_s == pytest.approx(3 * 2.0)
        assert running.load() == Load(3, 2.0)
        model.let_end()
        assert [done(future) for future in waiting] == [1, 2, 3]


def test_what_is_late_when_the_model_is_free_is_dropped_with_an_error() -> None:
    clock, model = Clock(), Model()
    with batcher(model, clock=clock) as running:
        first = submit(running, 0)
        model.wait_begun()
        late, in_time = (submit(running, i, deadline_s=i) for i in (1, 2))
        (unprepared,) = running.admit(["image"], deadline_s=1)
        clock.now = 1.5
        model.let_end()
        assert [done(first), done(in_time)] == [0, 20]
        for future in (late, unprepared.future):
            with pytest.raises(DeadlineExceeded, match=r"not scored within 1\.50 s"):
                future.result(WAIT_S)
        assert model.batches == [[0], [2]]


def test_what_is_late_before_it_was_prepared_is_not_prepared() -> None:
    clock = Clock()
    with batcher(Model(), clock=clock) as running:
        late, other = running.admit(["late"], deadline_s=1) + running.admit(["other"])
        clock.now = 1.0
        assert running.next_to_prepare() is other
        assert running.next_to_prepare() is None
        assert isinstance(late.future.exception(WAIT_S), DeadlineExceeded)
        other.future.cancel()


def test_cancelling_drops_what_has_not_run_at_once_and_frees_the_place() -> None:
    model = Model()
    with batcher(model, max_batch=1, max_queue=3) as running:
        photo = submit(running, 1, 2, 3)
        waiting = submit(running, 4)
        (unprepared,) = running.admit(["image"])
        model.wait_begun()
        for future in (photo, waiting, unprepared.future):
            assert future.cancel()
        assert wait([photo, waiting, unprepared.future], WAIT_S).not_done == set()
        assert running.load() == Load(0, 0.0)
        last = submit(running, 5)
        model.let_end()
        assert done(last) == 50
        assert model.batches == [[1], [5]]


def test_an_item_that_cannot_be_prepared_fails_and_frees_its_place() -> None:
    with batcher(Model(), max_queue=1) as running:
        (ticket,) = running.admit(["image"])
        running.fail(ticket, ValueError("no image"))
        with pytest.raises(ValueError, match="no image"):
            done(ticket.future)
        assert running.load().queued == 0


def test_a_ticket_ends_once() -> None:
    with batcher(Model()) as running:
        cancelled, succeeded = running.admit(["a", "b"])
        cancelled.future.cancel()
        running.fail(cancelled, ValueError("too late"))
        assert cancelled.future.cancelled()
        running.succeed(succeeded, 1)
        running.fail(succeeded, ValueError("too late"))
        assert succeeded.future.result(WAIT_S) == 1


def test_close_finishes_what_was_admitted_and_refuses_the_rest() -> None:
    model = Model()
    running = MicroBatcher(model, costs=Costs(8))
    futures = [submit(running, i) for i in (1, 2, 3)]
    closing = threading.Thread(target=running.close)
    closing.start()
    model.let_end()
    closing.join(timeout=WAIT_S)
    assert not closing.is_alive()
    assert [done(future) for future in futures] == [10, 20, 30]
    with pytest.raises(Overloaded, match="stopping"):
        submit(running, 4)


def test_a_ticket_knows_its_time_in_the_model_and_its_largest_batch() -> None:
    clock = Clock()
    seen: list[tuple[float, int]] = []

    def slow(items: list[int]) -> list[int]:
        clock.now += 4.0 * len(items)
        return items

    def note(tickets: Sequence[Ticket[Any, Any]]) -> None:
        for ticket in tickets:
            seen.append((ticket.forward_s, ticket.batch_size))
            running.succeed(ticket, tuple(ticket.parts))

    with batcher(slow, max_batch=2, clock=clock, on_run=note) as running:
        assert submit(running, 7, 8, 9).result(WAIT_S) == (7, 8, 9)
    assert seen == [(12.0, 2)]
