import pytest
import torch
from torch import Tensor, nn

from tests.xai.nets import Linear, Square, small_convnet
from xai.integrals import integral
from xai.paths import Path, integrate
from xai.quadrature import UntilConverged, quadrature


def pixels(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


def noise(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 12, 12, generator=generator, dtype=torch.float64)


class Step(nn.Module):
    """0 below 0.99 and 1 above, with a slope of 1: no rule of 405 midpoints adds up here."""

    def forward(self, x: Tensor) -> Tensor:
        return ((x.flatten(1) - 0.9999).clamp(min=0) * 1e4).sum(1, keepdim=True)


def test_the_mean_over_baselines() -> None:
    found = integral(
        Square(),
        pixels(2.0, -3.0, 1.0),
        [pixels(0.0, 0.0, 0.0), pixels(1.0, 1.0, 1.0)],
        (0,),
        rule=quadrature(2, "gausslegendre"),
        with_convergence=True,
    )
    # x² changes by 4, 9, 1 and by 3, 8, 0
    torch.testing.assert_close(found.attributions.flatten(), pixels(3.5, 8.5, 0.5).flatten())
    (convergence,) = found.convergence
    assert convergence.n_steps == 2
    assert convergence.completeness_delta == pytest.approx(0.0, abs=1e-12)


def test_the_delta_is_what_is_missing() -> None:
    # ∫ 3 α² dα by the nodes 0 and 1 is 3/2 instead of 1
    one, zero = pixels(1.0), pixels(0.0)
    rule = quadrature(2, "linspace")
    found = integral(Square(), one, [zero], (1, 0), rule=rule, with_convergence=True)
    deltas = [convergence.completeness_delta for convergence in found.convergence]
    assert deltas == pytest.approx([0.5, 0.0])


def test_nothing_is_told_unasked() -> None:
    rule = quadrature(2, "riemann_middle")
    assert integral(Square(), pixels(1.0), [pixels(0.0)], (0,), rule=rule).convergence == ()


def test_auto_ends_at_once_where_the_gradient_is_constant() -> None:
    weights = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    rule = UntilConverged(0.01)
    found = integral(Linear(weights), pixels(3.0), [pixels(1.0)], (0, 1), rule=rule)
    assert found.attributions.flatten().tolist() == pytest.approx([2.0, 4.0])
    assert [convergence.n_steps for convergence in found.convergence] == [15, 15]


def test_auto_is_the_midpoint_rule_with_the_nodes_it_tells() -> None:
    x, baseline = noise(0), noise(1)
    found = integral(small_convnet(), x, [baseline], (0, 2), rule=UntilConverged(0.01))
    (n_steps,) = {convergence.n_steps for convergence in found.convergence}
    assert n_steps in (15, 45, 135, 405)
    expected = integrate(
        small_convnet(), Path(x, baseline, (0, 2)), quadrature(n_steps, "riemann_middle")
    )
    torch.testing.assert_close(found.attributions, expected, atol=1e-12, rtol=1e-9)


def test_a_smaller_tolerance_comes_nearer_to_the_truth() -> None:
    x, baseline = noise(0), noise(1)
    truth = integrate(small_convnet(), Path(x, baseline, (0,)), quadrature(5000, "riemann_middle"))
    errors, steps = [], []
    for tolerance in (0.5, 0.05, 0.01):
        found = integral(small_convnet(), x, [baseline], (0,), rule=UntilConverged(tolerance))
        error = float((found.attributions - truth).abs().sum() / truth.abs().sum())
        assert error <= tolerance
        errors.append(error)
        steps.append(found.convergence[0].n_steps)
    assert errors == sorted(errors, reverse=True)
    assert steps == sorted(steps)


def test_auto_ends_at_the_cap() -> None:
    found = integral(Step(), pixels(1.0), [pixels(0.0)], (0,), rule=UntilConverged(0.01))
    (convergence,) = found.convergence
    assert convergence.n_steps == 405
    assert convergence.completeness_delta == pytest.approx(-1.0)


def test_an_image_that_is_its_baseline_has_nothing_to_attribute() -> None:
    x = noise(0)
    found = integral(small_convnet(), x, [x], (0,), rule=UntilConverged(0.05))
    assert not found.attributions.any()
    assert found.convergence[0].completeness_delta == 0
