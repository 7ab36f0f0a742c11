import pytest

from training.automl.policies import Bandit, When
from training.automl.replay import History, replay

POLICY = Bandit(When(), slack_factor=0.2)
GOOD = History("000", (1.0, 2.0, 3.0), (0.5, 0.8, 0.9))


def test_nothing_to_replay():
    with pytest.raises(ValueError, match="no trial has reported"):
        replay(POLICY, [History("000", (), ())])


def test_a_bad_trial_is_stopped_when_it_falls_behind():
    bad = History("001", (1.5, 2.5, 3.5, 5.5), (0.45, 0.6, 0.6, 0.6))  # 0.6 < 0.8 / 1.2
    played = replay(POLICY, [GOOD, bad])
    assert played.stopped == {"001": 2}
    assert (played.saved_evaluations, played.evaluations) == (2, 7)
    assert played.saved_seconds == pytest.approx(3.0)
    assert played.best == played.best_kept == 0.9


def test_a_late_starter_is_lost():
    late = History("001", (11.0, 12.0, 13.0), (0.1, 0.2, 0.95))
    played = replay(POLICY, [GOOD, late])
    assert played.stopped == {"001": 1}
    assert (played.best, played.best_kept) == (0.95, 0.9)


def test_a_trial_that_reports_first_is_compared_with_what_was_there():
    early = History("001", (0.1, 0.2), (0.1, 0.2))
    assert replay(POLICY, [GOOD, early]).stopped == {}


def test_the_last_report_of_a_trial_saves_nothing():
    short = History("001", (2.5,), (0.1,))
    assert replay(POLICY, [GOOD, short]).stopped == {}
