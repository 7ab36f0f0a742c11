"""Guided Grad-CAM (Selvaraju et al., 2016, arXiv 1610.02391, section 3.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inference.families import CamLayer
from inference.schema import XaiParameters
from xai.guided import GuidedActivations
from xai.methods.base import Method, Subject, register
from xai.paths import Checkpoint
from xai.tap import tapped


def guided_gradcam(
    network: nn.Module, cam: CamLayer, image: Tensor, targets: tuple[int, ...]
) -> Tensor:
    """Guided backpropagation times the class activation map: (targets, C, H, W) for (C, H, W).

    One forward pass serves both. The map is ReLU(Σ_k w_k A_k), where A_k are the layer's channels
    and w_k the mean of the plain gradient over A_k (eq. 1 and 2), enlarged bilinearly.
    """
    outputs: list[Tensor] = []
    leaf = image[None].detach().clone().requires_grad_()
    with torch.enable_grad(), GuidedActivations() as mode:
        logits = tapped(network, cam.name, outputs.append)(leaf)
    products = []
    for target in targets:
        mode.enabled = False
        (slope,) = torch.autograd.grad(logits[0, target], outputs[0], retain_graph=True)
        mode.enabled = True
        (guided,) = torch.autograd.grad(logits[0, target], leaf, retain_graph=True)
        activation_map = _activation_map(
            cam.to_map(network, outputs[0].detach()), cam.to_map(network, slope), image.shape[-2:]
        )
        products.append(guided * activation_map)
    return torch.cat(products)


def _activation_map(activations: Tensor, slopes: Tensor, size_hw: torch.Size) -> Tensor:
    """(1, K, h, w) twice, to (1, 1, H, W)."""
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    coarse = (weights * activations).sum(dim=1, keepdim=True).clamp(min=0)
    return F.interpolate(coarse, size=size_hw, mode="bilinear", align_corners=False)


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Tensor:
    checkpoint()
    return guided_gradcam(subject.network, subject.cam, subject.image, subject.targets)


register(Method("guided_gradcam", _run))
