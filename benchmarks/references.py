"""Explanations as the reference packages compute them, for the same network and image."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray
from saliency.core.base import INPUT_OUTPUT_GRADIENTS
from saliency.core.xrai import XRAI, XRAIParameters
from torch import Tensor, nn


def saliency_xrai(
    network: nn.Module, image: Tensor, target: int, *, steps: int, chunk: int
) -> Callable[[], NDArray[np.float32]]:
    """XRAI of the package `saliency`, full, with `steps` nodes per baseline: (H, W)."""

    def gradients(x: NDArray[Any], call_model_args: Any, expected_keys: Any) -> Any:
        points = np.asarray(x, np.float32).transpose(0, 3, 1, 2)
        leaf = torch.from_numpy(points).to(image.device).requires_grad_()
        with torch.enable_grad():
            output = network(leaf)[:, target].sum()
        (gradient,) = torch.autograd.grad(output, leaf)
        return {INPUT_OUTPUT_GRADIENTS: gradient.permute(0, 2, 3, 1).cpu().numpy()}

    pixels = image.permute(1, 2, 0).cpu().numpy()
    options = XRAIParameters(steps=steps, algorithm="full")
    return lambda: XRAI().GetMask(pixels, gradients, extra_parameters=options, batch_size=chunk)


def captum_gradients(
    network: nn.Module, image: Tensor, target: int, *, steps: int, chunk: int
) -> Callable[[], Tensor]:
    """Integrated gradients of captum from zeros, `chunk` points at once: (3, H, W)."""
    method = IntegratedGradients(network)
    return lambda: method.attribute(
        image[None],
        target=target,
        n_steps=steps,
        method="riemann_middle",
        internal_batch_size=chunk,
    )[0]
