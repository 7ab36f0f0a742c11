"""Thresholds that a pencil can check, and against trying them all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import UsageError
from training.operating_points import Objective, best_point, parse_objective, point_at

SCORES = np.array([0.9, 0.8, 0.8, 0.3, 0.1], np.float32)
IS_TRUE = np.array([True, False, True, True, False])


def best(text, scores=SCORES, is_true=IS_TRUE, positives=4, passes=np.greater):
    return best_point(parse_objective(text), scores, is_true, positives=positives, passes=passes)


@pytest.mark.parametrize(
    ("objective", "passing", "precision", "recall"),
    [
        ("f1", 4, 3 / 4, 3 / 4),
        ("precision@0.9", 1, 1, 1 / 4),
        ("precision@0.75", 4, 3 / 4, 3 / 4),
        ("precision@0.6", 4, 3 / 4, 3 / 4),  # all five reach no more recall: the higher one wins
        ("recall@0.5", 4, 3 / 4, 3 / 4),
        ("recall@0.25", 1, 1, 1 / 4),
    ],
)
def test_thresholds_by_hand(objective, passing, precision, recall):
    choice = best(objective)
    assert int((choice.point.threshold < SCORES).sum()) == passing
    assert (choice.point.precision, choice.point.recall) == (precision, recall)


def test_a_threshold_is_a_short_number_between_two_scores():
    assert best("f1").point.threshold == 0.2  # between 0.1 and 0.3
    assert best("precision@0.9").point.threshold == 0.85  # between 0.8 and 0.9


def test_ties_are_counted_and_the_highest_wins():
    choice = best("f1", np.array([0.8, 0.6, 0.5, 0.4], np.float32), IS_TRUE[[0, 1, 4, 3]], 2)
    assert (choice.ties, choice.point.threshold) == (1, 0.7)  # 2·1 / (1 + 2) = 2·2 / (4 + 2)


def test_a_bound_that_nothing_reaches_says_how_far_one_gets():
    with pytest.raises(UsageError, match=r"reaches recall 0.9 .*the highest is 0\.750"):
        best("recall@0.9")


@pytest.mark.parametrize("text", ["", "f2", "f1@0.5", "precision", "precision@", "recall@1.5",
                                  "recall@0", "precision@nan"])  # fmt: skip
def test_unknown_objectives_name_what_is_allowed(text):
    with pytest.raises(UsageError, match="must be f1, precision@P or recall@R"):
        parse_objective(text)


@given(
    rows=st.lists(
        st.tuples(st.floats(2**-20, 1, width=32), st.booleans()), min_size=1, max_size=12
    ),
    unfound=st.integers(1, 3),
    objective=st.sampled_from(
        [Objective("f1"), Objective("precision", 0.5), Objective("recall", 0.2)]
    ),
    passes=st.sampled_from([np.greater, np.greater_equal]),
)
def test_no_other_threshold_is_better(rows, unfound, objective, passes):
    scores = np.array([score for score, _ in rows], np.float32)
    is_true = np.array([true for _, true in rows])
    positives = int(is_true.sum()) + unfound
    values = []
    for score in np.unique(scores):
        kept = scores >= score
        true = is_true[kept].sum()
        one = {
            "f1": 2 * true / (kept.sum() + positives),
            "precision": true / kept.sum(),
            "recall": true / positives,
        }
        wanted = {"f1": "f1", "precision": "recall", "recall": "precision"}[objective.kind]
        values.append(one[wanted] if one[objective.kind] >= objective.bound else -1)
    if max(values) < 0:
        with pytest.raises(UsageError, match="no threshold reaches"):
            best_point(objective, scores, is_true, positives=positives, passes=passes)
        return
    choice = best_point(objective, scores, is_true, positives=positives, passes=passes)
    threshold = choice.point.threshold
    lowest = np.unique(scores)[np.flatnonzero(values == max(values))[-1]]
    assert 0 <= threshold <= 1
    assert (passes(scores, np.float32(threshold)) == (scores >= lowest)).all()
    again = point_at(threshold, scores, is_true, positives=positives, passes=passes)
    assert again == choice.point
    assert choice.ties == values.count(max(values)) - 1
