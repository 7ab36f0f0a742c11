from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from inference.schema import ApproximationMethod
from tests.xai.nets import Linear, Square, small_convnet
from xai.integrals import integral
from xai.paths import Path, integrate
from xai.quadrature import Quadrature, quadrature


def image(seed: int = 0, side: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, side, side, generator=generator, dtype=torch.float64)


def integrated_gradients(
    network: nn.Module, x: Tensor, targets: tuple[int, ...], *, rule: Quadrature
) -> Tensor:
    return integral(network, x, [torch.zeros_like(x)], targets, rule=rule).attributions


def test_a_linear_network_is_attributed_by_weight_times_difference() -> None:
    weights = torch.tensor([[1.0, -2.0, 3.0], [0.0, 5.0, 0.0]])[:, :, None, None]
    x, baseline = torch.tensor([4.0, 5.0, 6.0]), torch.tensor([1.0, 1.0, 1.0])
    path = Path(x[:, None, None], baseline[:, None, None], (0, 1))
    for n_steps in (2, 3, 50):
        result = integrate(Linear(weights), path, quadrature(n_steps, "riemann_middle"))
        expected = torch.tensor([[3.0, -8.0, 15.0], [0.0, 20.0, 0.0]])
        torch.testing.assert_close(result.flatten(1), expected)


def test_gauss_legendre_is_exact_for_polynomials() -> None:
    x = torch.tensor([2.0, -3.0, 1.0])[:, None, None]
    path = Path(x, torch.zeros_like(x), (0, 1))
    result = integrate(Square(), path, quadrature(2, "gausslegendre"))
    expected = torch.tensor([[4.0, 9.0, 1.0], [8.0, -27.0, 1.0]])
    torch.testing.assert_close(result.flatten(1), expected)


@pytest.mark.parametrize("method", ["riemann_middle", "gausslegendre"])
@pytest.mark.parametrize("n_steps", [2, 32])
def test_integrated_gradients_are_captums(method: ApproximationMethod, n_steps: int) -> None:
    # captum keeps nodes and weights in float32; with these n they are exact there (midpoint), or
    # their rounding stays below the tolerance (Gauss-Legendre: attributions are about 1e-3 here)
    network, x = small_convnet(), image() * 0.1
    ours = integrated_gradients(network, x, (0, 3), rule=quadrature(n_steps, method))
    for target, attribution in zip((0, 3), ours, strict=True):
        theirs = IntegratedGradients(network).attribute(
            x[None], target=target, n_steps=n_steps, method=method
        )
        torch.testing.assert_close(attribution, theirs[0], atol=1e-9, rtol=0)


def test_attributions_sum_to_the_change_of_the_output() -> None:
    network, x = small_convnet(), image()
    result = integrated_gradients(network, x, (1,), rule=quadrature(500, "riemann_middle"))
    change = network(x[None])[0, 1] - network(torch.zeros_like(x)[None])[0, 1]
    assert float(result.sum()) == pytest.approx(float(change), abs=1e-4)


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 1000])
def test_chunks_do_not_matter(chunk_size: int) -> None:
    network, x = small_convnet(), image()
    path, rule = Path(x, torch.zeros_like(x), (0, 2)), quadrature(8, "riemann_middle")
    expected = integrate(network, path, rule)
    actual = integrate(network, path, rule, chunk_size=chunk_size)
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)


def test_many_targets_are_as_many_single_ones() -> None:
    network, rule = small_convnet(), quadrature(3, "riemann_middle")
    x, baseline = image(3), image(4)
    together = integrate(network, Path(x, baseline, (3, 1, 2)), rule)
    for target, result in zip((3, 1, 2), together, strict=True):
        (alone,) = integrate(network, Path(x, baseline, (target,)), rule)
        torch.testing.assert_close(result, alone, atol=1e-12, rtol=0)
    assert integrate(network, Path(x, baseline, ()), rule).shape == (0, 3, 12, 12)


class TwoBranches(nn.Module):
    """Its input goes through two convolutions, and past them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(3, 3, 3, padding="same") for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return (self.first(x).relu_() + self.second(x).sigmoid() + x**3).mean(dim=(2, 3))


class Padded(nn.Module):
    """It does not begin with the convolution, and it has groups."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 3, groups=3, stride=2, dilation=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(F.pad(x, (1, 2, 3, 4))).tanh().mean(dim=(2, 3))


class WithNames(Padded):
    """It calls the convolution by names."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.convolution.weight
        return torch.conv2d(x, weight, stride=2, padding=1, groups=3).tanh().mean(dim=(2, 3))


@pytest.mark.parametrize("make", [small_convnet, TwoBranches, Padded, WithNames])
def test_a_hoisted_convolution_changes_nothing(make: Callable[[], nn.Module]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make().double()
    x, baseline, rule = image(1), image(2), quadrature(7, "gausslegendre")
    result = integrate(network, Path(x, baseline, (0, 2)), rule)
    for target, actual in zip((0, 2), result, strict=True):
        expected = torch.zeros_like(x)
        for node, weight in zip(rule.nodes, rule.weights, strict=True):
            point = (baseline + node * (x - baseline))[None].requires_grad_()
            (gradient,) = torch.autograd.grad(network(point)[0, target], point)
            expected += weight * gradient[0] * (x - baseline)
        torch.testing.assert_close(actual, expected, atol=1e-12, rtol=1e-9)


class Counting(TorchFunctionMode):
    """Counts convolutions by their number of input channels."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d:
            self.counts[args[0].shape[1]] += 1
        return func(*args, **(kwargs or {}))


def test_the_first_convolution_is_computed_once() -> None:
    rule, path = quadrature(20, "riemann_middle"), Path(image(), image(1), (0, 1))
    with Counting() as mode:
        integrate(small_convnet(), path, rule, chunk_size=5)
    assert mode.counts == {3: 2, 6: 4}  # of the first, one for both ends and one to go back


def test_a_checkpoint_is_called_before_each_chunk_and_may_end_the_work() -> None:
    calls = []

    def third_time() -> None:
        calls.append(len(calls))
        if len(calls) == 3:
            raise TimeoutError

    path = Path(image(), image(1), (0,))
    rule = quadrature(10, "riemann_middle")
    with pytest.raises(TimeoutError):
        integrate(small_convnet(), path, rule, chunk_size=2, checkpoint=third_time)
    assert calls == [0, 1, 2]


def test_the_network_is_left_untouched() -> None:
    network, x = small_convnet().requires_grad_(True), image()
    with torch.no_grad():  # the caller's own mode does not matter either
        integrated_gradients(network, x, (0,), rule=quadrature(2, "riemann_middle"))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not x.requires_grad
