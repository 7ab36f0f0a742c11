"""Guided backpropagation (Springenberg et al., 2014, arXiv 1412.6806)."""

import torch
from torch import Tensor

from inference.schema import XaiParameters
from xai.gradients import Network
from xai.guided import GuidedActivations
from xai.methods.base import Attributions, Method, Subject, register
from xai.paths import Checkpoint


def guided_backprop(network: Network, image: Tensor, targets: tuple[int, ...]) -> Tensor:
    """Differentiate under the guided rule: (targets, C, H, W) for an image (C, H, W)."""
    leaf = image[None].detach().clone().requires_grad_()
    with torch.enable_grad(), GuidedActivations():
        logits = network(leaf)
    gradients = []
    for target in targets:
        (gradient,) = torch.autograd.grad(logits[0, target], leaf, retain_graph=True)
        gradients.append(gradient[0])
    return torch.stack(gradients)


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Attributions:
    checkpoint()
    return Attributions(guided_backprop(subject.network, subject.image, subject.targets))


register(Method("guided_backprop", _run))
