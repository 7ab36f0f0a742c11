"""Guided Grad-CAM (Selvaraju et al., 2016, arXiv 1610.02391, section 3.2)."""

import torch
from torch import Tensor, nn

from inference.families import CamLayer
from inference.schema import XaiParameters
from xai.guided import GuidedActivations
from xai.methods.base import Attributions, Method, Subject, layer_of, register
from xai.methods.gradcam import activation_map
from xai.paths import Checkpoint
from xai.tap import tapped


def guided_gradcam(
    network: nn.Module, cam: CamLayer, image: Tensor, targets: tuple[int, ...]
) -> Tensor:
    """Guided backpropagation times the class activation map: (targets, C, H, W) for (C, H, W).

    One forward pass serves both; the map is made from the plain gradient.
    """
    outputs: list[Tensor] = []
    leaf = image[None].detach().clone().requires_grad_()
    with torch.enable_grad(), GuidedActivations() as mode:
        logits = tapped(network, cam.name, outputs.append)(leaf)
    products = []
    for target in targets:
        mode.enabled = False
        map_ = activation_map(network, cam, logits[0, target], outputs[0], size_hw=image.shape[-2:])
        mode.enabled = True
        (guided,) = torch.autograd.grad(logits[0, target], leaf, retain_graph=True)
        products.append(guided[0] * map_)
    return torch.stack(products)


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Attributions:
    checkpoint()
    return Attributions(
        guided_gradcam(subject.network, layer_of(subject), subject.image, subject.targets)
    )


register(Method("guided_gradcam", _run))
