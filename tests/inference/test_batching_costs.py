from collections.abc import Mapping

import pytest

from inference.batching.costs import Costs, smoothed


def costs_of(table: Mapping[int, float], *, max_batch: int) -> Costs:
    costs = Costs(max_batch)
    for size, seconds in table.items():
        costs.enter("key", size, seconds)
    return costs


@pytest.mark.parametrize(
    ("max_batch", "sizes"),
    [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8)), (9, (1, 2, 4, 8, 9))],
)
def test_the_sizes_double_up_to_the_largest(max_batch: int, sizes: tuple[int, ...]) -> None:
    assert Costs(max_batch).sizes == sizes


@pytest.mark.parametrize(
    ("table", "at_most", "size"),
    [
        ({}, 8, 8),  # nothing known: the largest is hoped to be the best
        ({}, 7, 4),
        ({}, 1, 1),
        ({1: 1.0}, 8, 8),  # the largest is still not known
        ({1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0}, 8, 1),  # a batch saves nothing
        ({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, 8, 8),  # a batch costs what one item costs
        ({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, 5, 4),
        ({1: 1.0, 2: 1.0, 4: 1.96, 8: 3.9}, 8, 2),  # 0.5 s each, the best has 0.4875
        ({1: 1.0, 2: 1.1, 4: 1.96, 8: 3.9}, 8, 4),  # 0.55 s each would not be good enough
        ({1: 1.0, 2: 1.0, 4: 9.0, 8: 9.0}, 8, 2),
        ({2: 2.0, 8: 8.0}, 8, 2),  # a size that never ran is left out
    ],
)
def test_the_smallest_size_within_five_percent_of_the_best(
    table: Mapping[int, float], at_most: int, size: int
) -> None:
    assert costs_of(table, max_batch=8).batch_size("key", at_most=at_most) == size


def test_the_first_batch_of_a_size_is_not_counted() -> None:
    costs = Costs(1)
    costs.learn("key", 1, 60.0)
    assert costs.seconds_per_item("key", at_most=1) == 0.0
    costs.learn("key", 1, 2.0)
    assert costs.seconds_per_item("key", at_most=1) == 2.0


def test_a_clock_that_does_not_move_does_no_harm() -> None:
    costs = Costs(1)
    for _ in range(3):
        costs.learn("key", 1, 0.0)
    assert 0.0 < costs.seconds_per_item("key", at_most=1) < 1e-5


def test_sizes_between_the_steps_are_not_learned() -> None:
    costs = costs_of({1: 1.0, 2: 1.0, 4: 1.0}, max_batch=4)
    for _ in range(9):
        costs.learn("key", 3, 100.0)
    assert costs.seconds_per_item("key", at_most=4) == 0.25


def test_each_key_has_its_own_costs() -> None:
    costs = costs_of({1: 1.0, 2: 2.0}, max_batch=2)
    assert [costs.batch_size(key, at_most=2) for key in ("key", "other")] == [1, 2]


def test_a_slower_machine_changes_the_seconds_and_not_the_size() -> None:
    costs = costs_of({1: 1.0, 2: 1.2, 4: 1.6, 8: 2.4}, max_batch=8)
    assert costs.batch_size("key", at_most=8) == 8
    for _ in range(100):
        costs.learn("key", 8, 4.8)
    assert costs.batch_size("key", at_most=8) == 8
    assert costs.seconds_per_item("key", at_most=8) == pytest.approx(4.8 / 8, rel=0.01)
    for _ in range(100):
        costs.learn("key", 8, 2.4)
    assert costs.batch_size("key", at_most=8) == 8
    assert costs.seconds_per_item("key", at_most=1) == pytest.approx(1.0, rel=0.1)


def test_a_size_that_turns_out_dear_is_left_for_another() -> None:
    costs = costs_of({1: 1.0, 2: 1.2}, max_batch=2)
    assert costs.batch_size("key", at_most=2) == 2
    for _ in range(300):
        costs.learn("key", 1, 1.0)
        costs.learn("key", 2, 2.4)
    assert costs.batch_size("key", at_most=2) == 1


def test_a_single_hiccup_moves_little() -> None:
    costs = costs_of({1: 1.0}, max_batch=1)
    costs.learn("key", 1, 1000.0)
    assert costs.seconds_per_item("key", at_most=1) <= 1.25
    assert smoothed(1.0, 1000.0) == pytest.approx(1.2)
    assert smoothed(0.0, 3.0) == 3.0


def test_what_was_too_large_for_the_memory_is_not_chosen_again() -> None:
    costs = costs_of({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, max_batch=8)
    costs.refuse("key", 8)
    assert costs.batch_size("key", at_most=8) == 4
    costs.refuse("key", 3)
    assert costs.batch_size("key", at_most=8) == 1
    costs.refuse("key", 6)
    assert costs.batch_size("key", at_most=8) == 1
    assert costs.batch_size("other", at_most=8) == 8
