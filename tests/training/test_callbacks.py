import pytest

from training.callbacks import EarlyStopping


def evaluations_until_stop(values, *, patience, delay):
    stopping = EarlyStopping("accuracy", patience=patience, delay=delay)
    for count, value in enumerate(values, start=1):
        stopping.update(value)
        if stopping.is_over():
            return count
    return None


@pytest.mark.parametrize(
    ("values", "patience", "delay", "expected"),
    [
        ([], 1, 0, None),
        ([0.1, 0.2, 0.3, 0.4], 1, 0, None),  # always better
        ([0.5, 0.4, 0.3], 2, 0, 3),
        ([0.5, 0.4, 0.6, 0.5, 0.5], 2, 0, 5),  # an improvement starts the count again
        ([0.5, 0.5, 0.5], 2, 0, 3),  # equal is not better
        ([0.5, 0.4, 0.3, 0.2, 0.1], 2, 3, 5),  # the first three do not count
    ],
)
def test_early_stopping_counts_evaluations_without_improvement(values, patience, delay, expected):
    assert evaluations_until_stop(values, patience=patience, delay=delay) == expected


def test_early_stopping_goes_on_counting_after_a_restart():
    before = EarlyStopping("accuracy", patience=3, delay=0)
    for value in (0.5, 0.4, 0.4):
        before.update(value)
    after = EarlyStopping("accuracy", patience=3, delay=0)
    after.load_state_dict(before.state_dict())
    after.update(0.4)
    assert after.is_over()
