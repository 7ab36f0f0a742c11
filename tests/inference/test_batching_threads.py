import time
from collections import Counter
from concurrent.futures import wait
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.batching import Load, Ticket
from tests.inference.batchers import batcher, done, submit


def five_ms_each(items: list[int]) -> list[int]:
    time.sleep(0.005 * len(items))
    return items


def test_twelve_at_once_are_all_served() -> None:
    with batcher(five_ms_each) as running:
        futures = [submit(running, i) for i in range(12)]
        assert [done(future) for future in futures] == list(range(12))


def test_a_lone_request_after_a_burst_starts_at_once() -> None:
    with batcher(five_ms_each) as running:
        wait([submit(running, i) for i in range(24)])
        taken = []
        for i in range(5):
            begin = time.perf_counter()
            done(submit(running, i))
            taken.append(time.perf_counter() - begin)
        assert min(taken) < 0.010


Action = st.one_of(
    st.tuples(st.just("submit"), st.lists(st.sampled_from(["good", "bad", "huge"]), min_size=1)),
    st.tuples(st.just("late"), st.lists(st.just("good"), min_size=1, max_size=3)),
    st.tuples(st.just("unreadable"), st.just([])),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
)


def moody(items: list[str]) -> list[str]:
    if len(items) > 1 and "huge" in items:
        raise MemoryError("too large together")
    if "bad" in items:
        raise ValueError("a bad item")
    return items


@settings(max_examples=60, deadline=None)
@given(st.lists(Action, max_size=30))
def test_every_future_ends_exactly_once(actions: list[tuple[str, Any]]) -> None:
    ends: Counter[int] = Counter()
    tickets: list[Ticket[Any, Any]] = []
    with batcher(moody, max_batch=4) as running:
        for kind, what in actions:
            if kind == "cancel":
                if tickets:
                    tickets[what % len(tickets)].future.cancel()
                continue
            (ticket,) = running.admit(["image"], deadline_s=0.0 if kind == "late" else None)
            tickets.append(ticket)
            ticket.future.add_done_callback(lambda future: ends.update([id(future)]))
            if kind == "unreadable":
                running.fail(ticket, OSError("unreadable"))
            else:
                running.start(ticket, what)
    assert all(ticket.future.done() for ticket in tickets)
    assert ends == Counter(id(ticket.future) for ticket in tickets)
    for ticket in tickets:
        if not ticket.future.cancelled() and not ticket.future.exception():
            assert set(ticket.future.result()) <= {"good", "huge"}
    assert running.load() == Load(0, 0.0)
