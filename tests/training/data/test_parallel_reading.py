"""Reading ahead: what is announced, and that it changes nothing but the time it takes."""

import threading
import time

import pytest

from training.data.datasets import InOrder, Shuffled
from training.data.parallel_reading import Announced, SideBySide


@pytest.mark.parametrize(
    ("length", "distance", "expected"),
    [
        (0, 2, []),
        (2, 2, [(0, 0), (0, 1)]),
        (4, 2, [(0, 0, 2), (0, 1, 3), (0, 2), (0, 3)]),
        (3, 1, [(0, 0, 1), (0, 1, 2), (0, 2)]),
    ],
)
def test_a_key_announces_what_comes_later(length, distance, expected):
    announced = Announced(InOrder(length), distance=distance)
    assert list(announced) == expected
    assert len(announced) == length


def test_the_order_of_an_epoch_stays_its_own():
    keys = Shuffled(10, batch_size=2, seed=3)
    announced = Announced(keys, distance=4)
    announced.set_epoch(2)
    assert [key[:2] for key in announced] == list(keys)
    assert next(iter(keys))[0] == 2


@pytest.mark.parametrize("parallel", [True, False])
def test_results_keep_their_order(parallel):
    squares = SideBySide(lambda x: (time.sleep(0.01 * (3 - x)), x * x)[1], parallel=parallel)
    assert list(squares.map([0, 1, 2], then=[3])) == [0, 1, 4]
    assert list(squares.map([3, 1, 1])) == [9, 1, 1]


def test_what_was_announced_is_made_once_and_early():
    made = []
    at_once = threading.Barrier(4, timeout=20)  # four at the same time, or it breaks

    def make(item: int) -> int:
        made.append(item)
        at_once.wait()
        return item

    items = SideBySide(make, parallel=True)
    assert list(items.map([0, 1], then=[2, 3])) == [0, 1]
    assert list(items.map([2, 3])) == [2, 3]
    assert sorted(made) == [0, 1, 2, 3]


def test_an_error_is_the_items_own():
    def make(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    items = SideBySide(make, parallel=True)
    results = items.map([0, 1, 2])
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    assert list(items.map([2])) == [2]
