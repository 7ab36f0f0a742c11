import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.automl.expressions import parse_value

UNIFORM = {"type": "uniform", "min_value": 2, "max_value": 5}
LOGUNIFORM = {"type": "loguniform", "min_value": -7, "max_value": -2}
NORMAL = {"type": "normal", "mu": 3, "sigma": 2}
LOGNORMAL = {"type": "lognormal", "mu": -1, "sigma": 0.5}
CONTINUOUS = [
    (UNIFORM, stats.uniform(2, 3)),
    (LOGUNIFORM, stats.loguniform(math.exp(-7), math.exp(-2))),
    (NORMAL, stats.norm(3, 2)),
    (LOGNORMAL, stats.lognorm(s=0.5, scale=math.exp(-1))),
]
QUANTIZED = [
    ({**UNIFORM, "type": "quniform", "q": 0.5}, stats.uniform(2, 3), 0.5),
    ({**LOGUNIFORM, "type": "qloguniform", "q": 0.01}, CONTINUOUS[1][1], 0.01),
    ({**NORMAL, "type": "qnormal", "q": 0.5}, stats.norm(3, 2), 0.5),
    ({**LOGNORMAL, "type": "qlognormal", "q": 0.1}, CONTINUOUS[3][1], 0.1),
]
DISCRETE = [
    ({"type": "choice", "values": ["a", "b", "c"]}, ("a", "b", "c")),
    ({"type": "randint", "upper": 4}, (0, 1, 2, 3)),
]
ALL = [expression for expression, *_ in (*CONTINUOUS, *QUANTIZED, *DISCRETE)]


def names(expression):
    return expression["type"]


def draws(expression, count=2000):
    one = parse_value(expression)
    return [one.at(u) for u in np.random.default_rng(0).random(count)]


@pytest.mark.parametrize(("expression", "law"), CONTINUOUS, ids=lambda x: str(x)[:20])
def test_continuous_values_have_the_distribution_that_was_asked_for(expression, law):
    assert stats.kstest(draws(expression), law.cdf).pvalue > 0.01


@pytest.mark.parametrize(("expression", "law", "q"), QUANTIZED, ids=lambda x: str(x)[:20])
def test_quantized_values_are_multiples_with_the_probability_of_their_interval(expression, law, q):
    values = np.array(draws(expression))
    steps = np.round(values / q)
    np.testing.assert_allclose(values, steps * q, rtol=1e-9)
    for step in np.unique(steps):
        expected = law.cdf((step + 0.5) * q) - law.cdf((step - 0.5) * q)
        assert np.mean(steps == step) == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize(("expression", "values"), DISCRETE, ids=lambda x: str(x)[:20])
def test_discrete_values_are_equally_likely(expression, values):
    got = draws(expression)
    counts = [got.count(value) for value in values]
    assert sum(counts) == len(got)
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("expression", ALL, ids=names)
@given(u=st.floats(0, 1 - 1e-6))  # nearer to 1, floats do not tell a normal's quantiles apart
def test_a_position_leads_back_to_its_value(expression, u):
    one = parse_value(expression)
    value = one.at(u)
    again = one.at(one.position(value))
    assert again == value if isinstance(value, str) else again == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("expression", "size"),
    [
        ("resnet18", 1),
        ({"type": "choice", "values": [1, 2]}, 2),
        ({"type": "randint", "upper": 4}, 4),
        ({"type": "quniform", "min_value": 0, "max_value": 1, "q": 0.25}, 5),
        ({"type": "qnormal", "mu": 0, "sigma": 1, "q": 1}, None),
        (UNIFORM, None),
    ],
)
def test_sizes(expression, size):
    assert parse_value(expression).size == size


@pytest.mark.parametrize(
    ("expression", "u", "value"),
    [
        ({"type": "quniform", "min_value": 0, "max_value": 1, "q": 0.1}, 0.31, 0.3),  # no 0.30…04
        ({"type": "LogUniform", "min_value": 0, "max_value": 2}, 0.5, math.e),
        ({"type": "uniform", "min_value": "1e-2", "max_value": "1e-1"}, 0, 0.01),  # YAML 1.1 text
        ({"type": "uniform", "min_value": 3, "max_value": 3}, 0.7, 3),
    ],
)
def test_values_at_a_quantile(expression, u, value):
    assert parse_value(expression).at(u) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ([1, 2], "several values need {type: choice"),
        ({"values": [1]}, "needs a type .allowed: choice"),
        ({"type": "unifrom"}, "unknown type 'unifrom'; did you mean 'uniform'"),
        ({"type": "uniform", "min_value": 1}, "uniform needs max_value"),
        ({"type": "uniform", "min_value": 2, "max_value": 1}, "min_value must be at most max"),
        ({"type": "uniform", "min_value": "low", "max_value": 1}, "must be a number, got 'low'"),
        ({"type": "uniform", "min_value": 1, "max_value": float("inf")}, "must be a number"),
        ({"type": "uniform", "min_val": 1, "max_value": 2}, "did you mean 'min_value'"),
        ({"type": "quniform", "min_value": 1, "max_value": 2}, "quniform needs q"),
        ({"type": "quniform", "min_value": 1, "max_value": 2, "q": 0}, "q must be greater than 0"),
        ({"type": "loguniform", "min_value": 1, "max_value": 1000}, "is an exponent"),
        ({"type": "normal", "mu": 0, "sigma": 0}, "sigma must be greater than 0"),
        ({"type": "lognormal", "mu": 0, "sigma": 900}, "mu and sigma of a lognormal"),
        ({"type": "choice", "values": []}, "at least one value"),
        ({"type": "choice", "values": 3}, "must be a list"),
        ({"type": "choice", "values": [[1]]}, "must be plain values"),
        ({"type": "randint", "upper": 0}, "at least 1, got 0"),
        ({"type": "randint", "upper": 2.5}, "whole number"),
    ],
)
def test_mistakes_in_expressions(expression, message):
    with pytest.raises(ValueError, match=message):
        parse_value(expression)
