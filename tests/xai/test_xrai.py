"""XRAI as a whole, against the package of its authors."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from saliency.core.base import INPUT_OUTPUT_GRADIENTS
from saliency.core.xrai import XRAI, XRAIParameters
from torch import nn

from inference.families import CamLayer
from inference.schema import XaiParameters
from tests.xai.nets import Linear, normalized_photo, small_convnet
from xai.methods import METHODS, Subject
from xai.paths import no_checkpoint
from xai.segments import find_segments

SIDE = 64
TARGETS = (2, 0)


def reference(network: nn.Module, image: NDArray[np.float32], target: int, *, fast: bool) -> Any:
    def call(x: NDArray[Any], call_model_args: Any, expected_keys: Any) -> Any:
        leaf = torch.from_numpy(np.asarray(x)).double().permute(0, 3, 1, 2).requires_grad_()
        (gradient,) = torch.autograd.grad(network(leaf)[:, target].sum(), leaf)
        return {INPUT_OUTPUT_GRADIENTS: gradient.permute(0, 2, 3, 1).numpy()}

    options = XRAIParameters(steps=10, algorithm="fast" if fast else "full")
    return XRAI().GetMask(image, call, extra_parameters=options, batch_size=5)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "full"])
@pytest.mark.parametrize("name", ["coffee", "rocket"])
def test_whole_maps_are_those_of_the_reference(name: str, fast: bool) -> None:
    network, image = small_convnet(), normalized_photo(name, SIDE)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    # the reference segments its float32 image, and has its gradients in float64 here
    subject = Subject(
        network, CamLayer("0"), tensor.double(), TARGETS, lambda _: find_segments(image)
    )
    options = XaiParameters(approximation_method="linspace", n_steps=10, xrai_fast=fast)
    found = METHODS["xrai"].run(subject, options, no_checkpoint).values
    assert found.shape == (2, 3, SIDE, SIDE)
    for target, actual in zip(TARGETS, found, strict=True):
        expected = reference(network, image, target, fast=fast)
        scale = np.abs(expected).max()
        for channel in actual.numpy():
            np.testing.assert_allclose(channel, expected, atol=1e-5 * scale, rtol=0)


def test_the_mean_over_two_baselines_and_the_highest_channel() -> None:
    weights = torch.tensor([1.0, -1.0, 2.0])[None, :, None, None].expand(1, 3, 8, 8)
    x = torch.tensor([0.0, 4.0, 1.0])[:, None, None].expand(3, 8, 8)
    subject = Subject(Linear(weights), CamLayer(""), x, (0,))
    options = XaiParameters(n_steps=2, return_delta=True)
    found = METHODS["xrai"].run(subject, options, no_checkpoint)
    # from 0: 0, -4, 2; from 4: -4, 0, -6; their means: -2, -2, -2
    np.testing.assert_allclose(found.values, np.full((1, 3, 8, 8), -2.0))
    # the delta is that of the pixels' attributions, before the highest channel is taken
    assert found.convergence[0].completeness_delta == pytest.approx(0.0, abs=1e-4)
