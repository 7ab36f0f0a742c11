"""Worked examples: the tables of Azure's documentation and ones that a pencil can check."""

import math

import pytest

from training.automl.policies import (
    Bandit,
    MedianStopping,
    TruncationSelection,
    When,
    reason_to_stop,
)

ALWAYS = When()
NAN = math.nan


def stops(policy, table, trial, k=None, finished=frozenset()):
    k = len(table[trial]) if k is None else k
    return bool(reason_to_stop(policy, table, trial, k, finished=finished))


@pytest.mark.parametrize(
    ("interval", "delay", "applied"),
    [
        (1, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
        (0, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
        (2, 0, [2, 4, 6, 8]),
        (2, 6, [6, 8]),
        (3, 5, [6]),
        (1, 9, []),
    ],
)
def test_when_a_policy_is_applied(interval, delay, applied):
    assert [k for k in range(1, 9) if When(interval, delay).applies(k)] == applied


def test_no_policy_stops_nothing():
    assert not stops(None, {"a": [0.9], "b": [0.0]}, "b")


@pytest.mark.parametrize(
    ("policy", "own", "expected"),
    [
        (Bandit(ALWAYS, slack_factor=0.2), [0.66], True),  # 0.8 / 1.2 = 0.667
        (Bandit(ALWAYS, slack_factor=0.2), [0.67], False),
        (Bandit(ALWAYS, slack_amount=0.2), [0.59], True),
        (Bandit(ALWAYS, slack_amount=0.2), [0.61], False),
        (Bandit(ALWAYS, slack_factor=0.2), [0.7, 0.1], False),  # its best counts
        (Bandit(ALWAYS, slack_factor=0.2), [NAN], True),
        (Bandit(When(2, 0), slack_factor=0.2), [0.1], False),  # not at interval 1
        (Bandit(When(1, 2), slack_factor=0.2), [0.1], False),  # delayed
    ],
)
def test_bandit(policy, own, expected):
    assert stops(policy, {"best": [0.8, 0.8], "own": own}, "own") is expected


def test_bandit_looks_at_the_best_up_to_the_interval_only():
    table = {"ahead": [0.5, 0.6, 0.9], "own": [0.45]}
    assert not stops(Bandit(ALWAYS, slack_factor=0.2), table, "own")  # 0.5 / 1.2 = 0.417


@pytest.mark.parametrize(("own", "expected"), [(-0.11, False), (-0.13, True)])
def test_bandit_with_a_negative_best(own, expected):
    table = {"best": [-0.1], "own": [own]}  # the limit is -0.12, not -0.083
    assert stops(Bandit(ALWAYS, slack_factor=0.2), table, "own") is expected


def test_bandit_never_stops_the_best():
    policy = Bandit(ALWAYS, slack_factor=0.01)
    assert not stops(policy, {"a": [0.5, 0.2], "b": [0.4, 0.4]}, "a")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"own": [0.5]}, False),
        ({"a": [0.2, 0.4], "b": [0.6, 0.8], "own": [0.1, 0.2]}, True),  # 0.2 < median of .3 .7 .15
        ({"a": [0.2, 0.4], "b": [0.6, 0.8], "own": [0.4, 0.1]}, False),  # 0.4 > median of .3 .7 .25
        ({"a": [0.9, 0.9], "own": [0.1, 0.5]}, True),  # 0.5 < median of .9 and .3 = .6
        ({"a": [0.9, 0.1], "own": [0.1, 0.5]}, False),  # 0.5 > median of .5 and .3 = .4
        ({"a": [], "own": [0.1]}, False),  # who has reported nothing is left out
        ({"a": [0.75], "own": [0.0, 0.5]}, False),  # median of .75 and .25 = .5, not worse
    ],
)
def test_median_stopping(table, expected):
    assert stops(MedianStopping(ALWAYS), table, "own") is expected


def test_the_median_looks_no_further_than_the_interval():
    table = {"ahead": [0.1, 0.9, 0.9], "own": [0.2]}
    assert not stops(MedianStopping(ALWAYS), table, "own")


TEN = {str(i): [i / 10] for i in range(10)}


@pytest.mark.parametrize(
    ("percentage", "stopped"),
    [(20, "01"), (10, "0"), (9, ""), (25, "01"), (99, "012345678")],
)
def test_truncation_stops_the_lowest(percentage, stopped):
    policy = TruncationSelection(ALWAYS, percentage)
    assert "".join(trial for trial in TEN if stops(policy, TEN, trial)) == stopped


def test_truncation_never_stops_the_best_and_ranks_older_trials_higher():
    equal = {"a": [0.5], "b": [0.5]}
    policy = TruncationSelection(ALWAYS, 50)
    assert [stops(policy, equal, trial) for trial in equal] == [False, True]
    assert not stops(TruncationSelection(ALWAYS, 99), {"a": [0.5]}, "a")


def test_truncation_ranks_the_reports_at_the_interval():
    table = {"a": [0.9, 0.1], "b": [0.1, 0.5], "c": [0.0]}  # c has not come to interval 2
    policy = TruncationSelection(ALWAYS, 50)
    assert [stops(policy, table, trial, 2) for trial in "ab"] == [True, False]


def test_truncation_may_leave_finished_trials_out():
    table = {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4]}
    finished = frozenset("a")
    both = [TruncationSelection(ALWAYS, 34, exclude) for exclude in (False, True)]
    assert [stops(policy, table, "b", 1, finished) for policy in both] == [False, True]
