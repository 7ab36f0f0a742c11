"""Networks whose attributions a pencil can check, and photographs that scikit-image ships."""

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor, nn

from inference.preprocess import normalize, resize_and_crop


def photo(name: str, side: int) -> NDArray[np.uint8]:
    """A centre crop (side, side, 3)."""
    image: NDArray[np.uint8] = getattr(data, name)()
    return resize_and_crop(image, resize_size=side + 32, crop_size=side)


def normalized_photo(name: str, side: int) -> NDArray[np.float32]:
    """The same as the network sees it, channels last, as `saliency` wants it."""
    return normalize(photo(name, side)[None])[0].transpose(1, 2, 0)


class Linear(nn.Module):
    """Output k is Σ weights[k] · x."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weights.flatten(1).T


class Square(nn.Module):
    """Output 0 is Σ x², output 1 is Σ x³."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return torch.stack([(flat**2).sum(1), (flat**3).sum(1)], dim=1)


def small_convnet(seed: int = 0) -> nn.Sequential:
    """A smooth network with 4 outputs, in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2),
            nn.GELU(),
            nn.Conv2d(6, 8, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 4),
        )
    return network.double().eval().requires_grad_(False)
