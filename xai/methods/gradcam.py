"""Grad-CAM (Selvaraju et al., 2016, arXiv 1610.02391, section 3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inference.families import CamLayer
from inference.schema import XaiParameters
from xai.methods.base import Attributions, Method, Subject, first_channel, layer_of, register
from xai.paths import Checkpoint
from xai.tap import tapped


def gradcam(network: nn.Module, cam: CamLayer, image: Tensor, targets: tuple[int, ...]) -> Tensor:
    """Class activation maps, enlarged: (targets, H, W) ≥ 0 for an image (C, H, W)."""
    outputs: list[Tensor] = []
    leaf = image[None].detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = tapped(network, cam.name, outputs.append)(leaf)
    maps = [
        activation_map(network, cam, logits[0, target], outputs[0], size_hw=image.shape[-2:])
        for target in targets
    ]
    return torch.stack(maps)


def activation_map(
    network: nn.Module, cam: CamLayer, logit: Tensor, output: Tensor, *, size_hw: torch.Size
) -> Tensor:
    """Map a logit's class to (H, W), from the layer's output, on which the logit depends.

    ReLU(Σ_k w_k A_k), where A_k are the layer's channels and w_k the mean of the gradient over A_k
    (eq. 1 and 2), enlarged bilinearly. The graph is kept, for other classes.
    """
    (slope,) = torch.autograd.grad(logit, output, retain_graph=True)
    activations, slopes = cam.to_map(network, output.detach()), cam.to_map(network, slope)
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    coarse = (weights * activations).sum(dim=1, keepdim=True).clamp(min=0)
    return F.interpolate(coarse, size=size_hw, mode="bilinear", align_corners=False)[0, 0]


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Attributions:
    checkpoint()
    maps = gradcam(subject.network, layer_of(subject), subject.image, subject.targets)
    return Attributions(maps[:, None].repeat(1, subject.image.shape[0], 1, 1))


register(Method("gradcam", _run, to_scores=first_channel, clip_percentile=100.0))
