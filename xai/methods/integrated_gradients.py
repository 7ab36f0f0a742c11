"""Integrated gradients (Sundararajan et al., 2017, arXiv 1703.01365)."""

import torch
from torch import Tensor

from inference.schema import XaiParameters
from xai.gradients import Network
from xai.methods.base import Method, Subject, register
from xai.paths import Checkpoint, Path, Quadrature, integrate, no_checkpoint, quadrature


def integrated_gradients(
    network: Network,
    image: Tensor,
    targets: tuple[int, ...],
    *,
    rule: Quadrature,
    checkpoint: Checkpoint = no_checkpoint,
) -> Tensor:
    """Integrate from zeros to the image: (targets, C, H, W) for an image (C, H, W).

    Zeros are captum's default; in normalised values they are the grey of ImageNet's mean colour,
    not black. Per target, the attributions sum to f(image) - f(zeros), up to the quadrature.
    """
    path = Path(image, torch.zeros_like(image), targets)
    return integrate(network, [path], rule, checkpoint=checkpoint)[0]


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Tensor:
    rule = quadrature(parameters.n_steps, parameters.approximation_method)
    return integrated_gradients(
        subject.network, subject.image, subject.targets, rule=rule, checkpoint=checkpoint
    )


register(Method("integrated_gradients", _run))
