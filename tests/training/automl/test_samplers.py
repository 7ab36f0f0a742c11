from itertools import product

import numpy as np
import pytest
from scipy import stats

from inference.errors import UsageError
from training.automl.bayesian import BayesianSampler
from training.automl.proposals import Proposer, identity
from training.automl.samplers import GridSampler, Observation, RandomSampler, SobolSampler
from training.automl.spaces import Point, parse_space, space_size

CONDITIONAL = parse_space(
    [
        {"model_name": "a", "x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        {
            "model_name": {"type": "choice", "values": ["b", "c"]},
            "y": {"type": "loguniform", "min_value": -3, "max_value": 0},
            "z": {"type": "choice", "values": [1, 2]},
        },
    ]
)
CHOICES = parse_space(
    [
        {
            "model_name": {"type": "choice", "values": ["a", "b"]},
            "x": {"type": "choice", "values": [1, 2, 3]},
        },
        {"model_name": "c", "y": {"type": "choice", "values": [True, False]}},
    ]
)
SAMPLERS = [
    RandomSampler(CONDITIONAL, 1),
    SobolSampler(CONDITIONAL, 1),
    BayesianSampler(CONDITIONAL, 1, 3),
]


def kind(sampler):
    return type(sampler).__name__


def points(sampler, count):
    """Draws, each with a metric that prefers a small y in the second sub-space."""
    seen = []
    for index in range(count):
        point = sampler.draw(index, seen)
        value = 2 - point.values["y"] if point.space == 1 else point.values["x"]
        seen.append(Observation(point, value))
    return [one.point for one in seen]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=kind)
def test_the_same_seed_draws_the_same(sampler):
    assert points(sampler, 12) == points(sampler, 12)
    other = type(sampler)(**{**{n: getattr(sampler, n) for n in sampler.__slots__}, "seed": 2})
    assert points(sampler, 12) != points(other, 12)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=kind)
def test_a_point_has_the_values_of_its_own_sub_space(sampler):
    drawn = points(sampler, 24)
    assert {point.space for point in drawn} == {0, 1}
    for point in drawn:
        assert list(point.values) == list(CONDITIONAL[point.space])


@pytest.mark.parametrize("sampler", SAMPLERS[:2], ids=kind)
def test_what_is_drawn_does_not_depend_on_what_was_seen(sampler):
    seen = [Observation(Point(0, {"model_name": "a", "x": 0.5}), 1.0)]
    assert [sampler.draw(i, []) for i in range(8)] == [sampler.draw(i, seen) for i in range(8)]


def test_random_draws_are_uniform_in_the_sub_space():
    values = [p.values["x"] for p in points(RandomSampler(CONDITIONAL, 3), 1000) if p.space == 0]
    assert 400 < len(values) < 600
    assert stats.kstest(values, stats.uniform.cdf).pvalue > 0.01


def test_sobol_spreads_more_evenly_than_random():
    space = parse_space([{"x": {"type": "uniform", "min_value": 0, "max_value": 1}}])
    gaps = {}
    for sampler in (RandomSampler(space, 0), SobolSampler(space, 0)):
        values = sorted(sampler.draw(i, []).values["x"] for i in range(64))
        gaps[kind(sampler)] = np.diff(values).max()
    assert gaps["SobolSampler"] < gaps["RandomSampler"] / 2


def test_a_grid_has_every_combination_once():
    sampler = GridSampler(CHOICES)
    drawn = [sampler.draw(index, []) for index in range(9)]
    assert drawn.pop() is None
    expected = [
        *(Point(0, {"model_name": m, "x": x}) for m, x in product("ab", (1, 2, 3))),
        *(Point(1, {"model_name": "c", "y": y}) for y in (True, False)),
    ]
    assert drawn == expected
    assert space_size(CHOICES) == len(expected)
    assert space_size(CONDITIONAL) is None


def test_bayesian_search_comes_closer_to_the_best_than_random():
    def nearest(sampler):
        drawn = points(sampler, 40)[20:]
        return np.mean([p.values["y"] if p.space == 1 else 2 for p in drawn])

    assert nearest(BayesianSampler(CONDITIONAL, 0, 5)) < nearest(RandomSampler(CONDITIONAL, 0)) / 2


def test_bayesian_search_takes_every_distribution_and_trials_that_run_or_failed():
    bounds = {"min_value": -2, "max_value": 0}
    space = parse_space(
        [
            {
                "a": {"type": "choice", "values": ["p", "q"]},
                "b": {"type": "randint", "upper": 5},
                "c": {"type": "quniform", **bounds, "q": 0.5},
                "d": {"type": "qloguniform", **bounds, "q": 0.1},
                "e": {"type": "normal", "mu": 0, "sigma": 1},
                "f": {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 0.5},
                "g": 3,
            }
        ]
    )
    sampler, seen = BayesianSampler(space, 0, 2), []
    for index in range(8):
        point = sampler.draw(index, seen)
        assert set(point.values) == set("abcdefg")
        value = None if index % 3 == 1 else float(index)
        seen.append(Observation(point, value, is_running=index % 3 == 2))


def refuse_two(values):
    if values.get("x") == 2:
        raise UsageError("2 does not fit")
    return dict(values)


def test_proposals_pass_over_what_clashes_and_what_is_known():
    propose = Proposer(GridSampler(CHOICES), refuse_two)
    known = {identity({"model_name": "a", "x": 1})}
    draw, found = -1, []
    while (proposal := propose(draw, [], known)) is not None:
        draw = proposal.draw
        found.append(tuple(proposal.parameters.values()))
    assert found == [("a", 3), ("b", 1), ("b", 3), ("c", True), ("c", False)]


def test_random_choices_end_when_all_combinations_were_tried():
    propose, known, draw = Proposer(RandomSampler(CHOICES, 5), dict), set(), -1
    while (proposal := propose(draw, [], known)) is not None:
        draw = proposal.draw
        known.add(identity(proposal.point.values))
    assert len(known) == 8
