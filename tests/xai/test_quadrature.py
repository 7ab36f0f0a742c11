import numpy as np
import pytest

from inference.schema import ApproximationMethod
from xai.quadrature import Quadrature, UntilConverged, nested_midpoints, quadrature, rule_of


@pytest.mark.parametrize(
    ("method", "n_steps", "nodes", "weights"),
    [
        ("riemann_middle", 2, [0.25, 0.75], [0.5, 0.5]),
        ("riemann_middle", 4, [0.125, 0.375, 0.625, 0.875], [0.25] * 4),
        ("gausslegendre", 2, [0.5 - 0.5 / 3**0.5, 0.5 + 0.5 / 3**0.5], [0.5, 0.5]),
        ("gausslegendre", 3, [0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5], [5 / 18, 8 / 18, 5 / 18]),
        ("linspace", 2, [0.0, 1.0], [0.5, 0.5]),
        ("linspace", 5, [0.0, 0.25, 0.5, 0.75, 1.0], [0.2] * 5),
    ],
)
def test_nodes_and_weights(
    method: ApproximationMethod, n_steps: int, nodes: list[float], weights: list[float]
) -> None:
    rule = quadrature(n_steps, method)
    assert rule.nodes == pytest.approx(nodes)
    assert rule.weights == pytest.approx(weights)


def test_auto_is_a_rule_of_its_own() -> None:
    assert rule_of("auto", "riemann_middle", tolerance=0.1) == UntilConverged(0.1)
    assert rule_of(3, "linspace", tolerance=0.1) == quadrature(3, "linspace")


def test_nested_rules_are_the_midpoint_rules_and_evaluate_no_point_twice() -> None:
    result = 0.0
    seen: list[float] = []
    counts = []
    for count, new in nested_midpoints():
        result = result / 3 + value_of(new)
        assert result == pytest.approx(value_of(quadrature(count, "riemann_middle")), rel=1e-12)
        seen.extend(new.nodes)
        counts.append(count)
    assert counts == [5, 15, 45, 135, 405]
    assert len(seen) == len(set(np.round(seen, 9))) == 405


def value_of(rule: Quadrature) -> float:
    """The integral of exp by a rule."""
    return float(np.dot(rule.weights, np.exp(rule.nodes)))
