import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from tests.xai.nets import Linear, Square, small_convnet
from xai.methods.integrated_gradients import integrated_gradients
from xai.methods.xrai import pixel_attributions
from xai.paths import ApproximationMethod, Path, integrate, quadrature


def image(seed: int = 0, side: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, side, side, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("method", "n_steps", "nodes", "weights"),
    [
        ("riemann_middle", 2, [0.25, 0.75], [0.5, 0.5]),
        ("riemann_middle", 4, [0.125, 0.375, 0.625, 0.875], [0.25] * 4),
        ("gausslegendre", 2, [0.5 - 0.5 / 3**0.5, 0.5 + 0.5 / 3**0.5], [0.5, 0.5]),
        ("gausslegendre", 3, [0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5], [5 / 18, 8 / 18, 5 / 18]),
    ],
)
def test_nodes_and_weights(
    method: ApproximationMethod, n_steps: int, nodes: list[float], weights: list[float]
) -> None:
    rule = quadrature(n_steps, method)
    assert rule.nodes == pytest.approx(nodes)
    assert rule.weights == pytest.approx(weights)


def test_no_paths_give_nothing() -> None:
    assert integrate(Square(), [], quadrature(2, "riemann_middle")) == []


def test_a_linear_network_is_attributed_by_weight_times_difference() -> None:
    weights = torch.tensor([[1.0, -2.0, 3.0], [0.0, 5.0, 0.0]])[:, :, None, None]
    x, baseline = torch.tensor([4.0, 5.0, 6.0]), torch.tensor([1.0, 1.0, 1.0])
    path = Path(x[:, None, None], baseline[:, None, None], (0, 1))
    for n_steps in (2, 3, 50):
        (result,) = integrate(Linear(weights), [path], quadrature(n_steps, "riemann_middle"))
        expected = torch.tensor([[3.0, -8.0, 15.0], [0.0, 20.0, 0.0]])
        torch.testing.assert_close(result.flatten(1), expected)


def test_gauss_legendre_is_exact_for_polynomials() -> None:
    x = torch.tensor([2.0, -3.0, 1.0])[:, None, None]
    path = Path(x, torch.zeros_like(x), (0, 1))
    (result,) = integrate(Square(), [path], quadrature(2, "gausslegendre"))
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
    (expected,) = integrate(network, [path], rule)
    (actual,) = integrate(network, [path], rule, chunk_size=chunk_size)
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)


def test_many_paths_are_as_many_single_ones() -> None:
    network, rule = small_convnet(), quadrature(3, "riemann_middle")
    paths = [
        Path(image(1), image(2), (0,)),
        Path(image(3), image(4), (3, 1, 2)),
        Path(image(5), image(6), ()),
    ]
    together = integrate(network, paths, rule)
    assert [len(result) for result in together] == [1, 3, 0]
    for path, result in zip(paths, together, strict=True):
        (alone,) = integrate(network, [path], rule)
        torch.testing.assert_close(result, alone, atol=1e-12, rtol=0)


def test_a_checkpoint_is_called_before_each_chunk_and_may_end_the_work() -> None:
    calls = []

    def third_time() -> None:
        calls.append(len(calls))
        if len(calls) == 3:
            raise TimeoutError

    path = Path(image(), image(1), (0,))
    rule = quadrature(10, "riemann_middle")
    with pytest.raises(TimeoutError):
        integrate(small_convnet(), [path], rule, chunk_size=2, checkpoint=third_time)
    assert calls == [0, 1, 2]


def test_the_network_is_left_untouched() -> None:
    network, x = small_convnet().requires_grad_(True), image()
    with torch.no_grad():  # the caller's own mode does not matter either
        integrated_gradients(network, x, (0,), rule=quadrature(2, "riemann_middle"))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not x.requires_grad


def test_xrai_takes_the_mean_over_two_baselines_and_the_highest_channel() -> None:
    weights = torch.tensor([1.0, -1.0, 2.0])[None, :, None, None]
    x = torch.tensor([0.0, 4.0, 1.0])[:, None, None]
    pixels = pixel_attributions(Linear(weights), x, (0,), rule=quadrature(2, "riemann_middle"))
    # from 0: 0, -4, 2; from 4: -4, 0, -6; their means: -2, -2, -2
    np.testing.assert_allclose(pixels, [[[-2.0]]])
