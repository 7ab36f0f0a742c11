import threading
import time
from collections.abc import Callable

from inference.batching import ByteBudget

WAIT_S = 10


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0)


def test_what_fits_passes_at_once() -> None:
    budget = ByteBudget(100)
    budget.acquire(60)
    budget.acquire(40)
    assert budget.used == 100
    budget.release(60)
    budget.release(40)
    assert budget.used == 0


def test_more_than_there_is_passes_alone() -> None:
    budget = ByteBudget(100)
    budget.acquire(1000)
    assert budget.used == 1000


def test_who_does_not_fit_waits_for_a_release_and_holds_up_who_comes_later() -> None:
    budget = ByteBudget(100)
    budget.acquire(60)
    passed: list[str] = []

    def large() -> None:
        budget.acquire(200)
        passed.append("large")
        budget.release(200)

    def small() -> None:
        budget.acquire(1)
        passed.append("small")

    first = in_thread(large)
    wait_until(lambda: budget.waiting == 1)
    second = in_thread(small)
    wait_until(lambda: budget.waiting == 2)
    assert passed == []
    budget.release(60)
    first.join(WAIT_S)
    second.join(WAIT_S)
    assert passed == ["large", "small"]


def test_what_is_there_already_is_added_without_waiting() -> None:
    budget = ByteBudget(100)
    budget.acquire(90)
    budget.add(50)
    assert budget.used == 140
