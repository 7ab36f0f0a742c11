from typing import Any

import pytest

from inference.batching.backlog import Backlog, Load
from inference.batching.schedule import Batch, Entry
from inference.batching.tickets import Priority, Ticket
from inference.errors import Overloaded


def backlog(**options: Any) -> Backlog[str, str]:
    return Backlog(**{"max_images": 4, "max_bytes": 100, "seconds_per_image": 2.0, **options})


def batch(*tickets: Ticket[Any, Any], images: float | None = None) -> Batch[Any, Any]:
    entries = [Entry("item", ticket, 0) for ticket in tickets]
    return Batch(None, entries, len(tickets) if images is None else images)


def test_an_empty_backlog_has_no_load() -> None:
    assert backlog().load(5.0) == Load(0, 0.0)
    assert backlog().admit([], now=0.0, deadline_s=1.0) == []


def test_load_counts_what_is_not_done_and_how_old_it_is() -> None:
    queue = backlog()
    (first,) = queue.admit(["a"], now=1.0)
    queue.admit(["b", "c"], now=2.0)
    assert queue.load(5.0) == Load(3, 4.0)
    queue.remove(first)
    assert queue.load(5.0) == Load(2, 3.0)


def test_images_are_due_one_after_the_other() -> None:
    queue = backlog()
    due = [ticket.due for ticket in queue.admit(["a", "b", "c"], now=7.0)]
    assert due == [8.0, 10.0, 12.0]
    (folder,) = queue.admit(["d"], now=7.0, priority=Priority.FOLDER)
    assert folder.due == 17.0


def test_nothing_is_due_after_its_deadline() -> None:
    due = [ticket.due for ticket in backlog().admit(["a", "b", "c"], now=7.0, deadline_s=4.0)]
    assert due == [8.0, 10.0, 11.0]


def test_a_full_queue_refuses_all_of_a_request_and_says_when_it_will_be_empty() -> None:
    queue = backlog()
    queue.admit(["a", "b", "c"], now=0.0)
    with pytest.raises(
        Overloaded, match=r"no room for 2 more: 3 of 4 places .* try again in 6.0 s"
    ) as refusal:
        queue.admit(["d", "e"], now=0.0)
    assert refusal.value.retry_after_s == pytest.approx(3 * 2.0)
    queue.check_room(1)
    queue.admit(["d"], now=0.0)
    assert len(queue) == 4
    with pytest.raises(Overloaded, match=r"no room for 1 more: 4 of 4 places"):
        queue.check_room(1)


@pytest.mark.parametrize(
    ("ahead", "seconds_per_image", "retry_after_s"),
    [
        (0, 9.0, None),
        (32, 2.0, None),  # a slow model, and a crowd of clients that know it
        (33, 2.0, 65.0),
        (39, 0.025, None),
        (40, 0.025, None),  # a second exactly
        (60, 0.025, 0.5),
    ],
)
def test_who_would_wait_for_longer_than_allowed_is_refused_at_the_door(
    ahead: int, seconds_per_image: float, retry_after_s: float | None
) -> None:
    queue = backlog(max_images=100, max_wait_s=1.0, seconds_per_image=0.0)
    queue.admit(["ahead"] * ahead, now=0.0)
    queue.seconds_per_image = seconds_per_image  # it turned out later
    if retry_after_s is None:
        assert len(queue.admit(["new"] * 50, now=0.0)) == 50
        return
    with pytest.raises(Overloaded, match=f"the {ahead} images ahead need") as refusal:
        queue.admit(["new"], now=0.0)
    assert refusal.value.retry_after_s == pytest.approx(retry_after_s)
    with pytest.raises(Overloaded, match=r"1 s is the longest wait here"):
        queue.check_room(1, due=1.0)


def test_only_what_is_due_before_the_first_image_is_waited_for() -> None:
    queue = backlog(max_images=200, max_wait_s=1.0, seconds_per_image=0.1)
    queue.admit(["a folder"] * 64, now=0.0, priority=Priority.FOLDER)
    queue.admit(["a request of many"] * 64, now=0.0)
    assert len(queue.admit(["another of many"] * 64, now=0.5)) == 64


def test_more_bytes_than_the_budget_are_refused_unless_nobody_is_there() -> None:
    queue = backlog()
    (large,) = queue.admit(["a"], now=0.0, sizes_bytes=[1000])
    with pytest.raises(Overloaded, match="no room for 1 bytes more: 1,000 of 100 are taken"):
        queue.admit(["b"], now=0.0, sizes_bytes=[1])
    queue.remove(large)
    queue.admit(["b", "c"], now=0.0, sizes_bytes=[50, 50])
    with pytest.raises(Overloaded, match="no room for 1 bytes"):
        queue.admit(["d"], now=0.0, sizes_bytes=[1])
    queue.admit(["files have no size yet"], now=0.0, sizes_bytes=[0])


@pytest.mark.parametrize(
    ("ahead", "count", "deadline_s", "retry_after_s"),
    [
        (0, 1, 0.1, None),  # nobody is ahead: the estimate may be wrong, let it try
        (0, 3, -1.0, None),
        (1, 1, 4.0, None),  # 2 s for the one ahead and 2 s for this one
        (1, 1, 3.5, 0.5),
        (2, 1, 0.5, 4.0),  # it cannot do in 0.5 s what takes 2: at least nobody is ahead then
        (1, 2, 6.0, None),
        (1, 2, 5.0, 1.0),
    ],
)
def test_a_deadline_that_cannot_be_met_is_refused_at_the_door(
    ahead: int, count: int, deadline_s: float, retry_after_s: float | None
) -> None:
    queue = backlog()
    queue.admit(["ahead"] * ahead, now=-9.0)
    if retry_after_s is None:
        assert len(queue.admit(["new"] * count, now=0.0, deadline_s=deadline_s)) == count
        return
    with pytest.raises(Overloaded, match=f"cannot be done within {deadline_s:g} s") as refusal:
        queue.admit(["new"] * count, now=0.0, deadline_s=deadline_s)
    assert refusal.value.retry_after_s == pytest.approx(retry_after_s)
    assert len(queue) == ahead


def test_only_what_is_due_before_it_stands_in_the_way_of_a_deadline() -> None:
    queue = backlog()
    queue.admit(["folder"] * 3, now=0.0, priority=Priority.FOLDER)
    assert queue.admit(["new"], now=0.0, deadline_s=2.5)


def test_only_tickets_past_their_deadline_expire() -> None:
    queue = backlog()
    queue.admit(["a"], now=0.0)
    (b,) = queue.admit(["b"], now=0.0, deadline_s=8.0)
    (c,) = queue.admit(["c"], now=0.0, deadline_s=9.0)
    assert queue.expired(7.9) == []
    assert queue.expired(8.0) == [b]
    queue.remove(b)
    assert queue.expired(8.5) == []
    assert queue.expired(9.0) == [c]


def test_the_seconds_per_image_are_those_of_the_model_when_it_was_idle_before() -> None:
    queue = backlog(seconds_per_image=0.0)
    (ticket,) = queue.admit(["a"], now=10.0)
    queue.learn(batch(ticket), begin=13.0, end=14.0)
    assert queue.seconds_per_image == 1.0


def test_while_there_is_work_they_include_the_decoding() -> None:
    queue = backlog(seconds_per_image=0.0)
    a, b, c = queue.admit(["a", "b", "c"], now=0.0)
    queue.learn(batch(a), begin=1.0, end=2.0)
    queue.learn(batch(b, c), begin=5.0, end=6.0)  # 4 s for 2 images
    assert queue.seconds_per_image == pytest.approx(1.0 + 0.2 * (2.0 - 1.0))


def test_tiles_are_parts_of_an_image() -> None:
    queue = backlog(seconds_per_image=0.0)
    (ticket,) = queue.admit(["a"], now=0.0)
    queue.learn(batch(ticket, ticket, images=0.5), begin=0.0, end=1.0)
    assert queue.seconds_per_image == 2.0
