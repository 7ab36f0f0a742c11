"""Guided backpropagation (Springenberg et al., 2014, arXiv 1412.6806)."""

import torch
from torch import Tensor

from inference.schema import XaiParameters
from xai.gradients import Network, target_gradients
from xai.guided import GuidedActivations
from xai.methods.base import Method, Subject, register
from xai.paths import Checkpoint


def guided_backprop(network: Network, image: Tensor, targets: tuple[int, ...]) -> Tensor:
    """Differentiate under the guided rule: (targets, C, H, W) for an image (C, H, W)."""
    with GuidedActivations():
        gradients = target_gradients(network, image[None], [targets])
        return torch.cat(list(gradients))


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Tensor:
    checkpoint()
    return guided_backprop(subject.network, subject.image, subject.targets)


register(Method("guided_backprop", _run))
