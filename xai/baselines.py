"""Where paths begin: images that hold no evidence, or as little as is known how to."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from inference.preprocess import normalize
from inference.schema import Baseline

_BLUR = 0.05  # sigma, in parts of the image's side


def baselines_of(names: Sequence[Baseline], image: Tensor) -> list[Tensor]:
    """Return a baseline per name for a normalised image (C, H, W), each of its shape."""
    return [_BASELINES[name](image) for name in names]


def _mean_colour(image: Tensor) -> Tensor:
    """Zeros, captum's default; in normalised values they are the grey of ImageNet's mean colour."""
    return torch.zeros_like(image)


def _black(image: Tensor) -> Tensor:
    return _grey(image, 0)


def _white(image: Tensor) -> Tensor:
    return _grey(image, 255)


def _grey(image: Tensor, level: int) -> Tensor:
    pixel = torch.from_numpy(normalize(np.full((1, 1, 1, 3), level, np.uint8))[0])
    return pixel.to(image).expand_as(image)


def _image_min(image: Tensor) -> Tensor:
    return torch.full_like(image, float(image.min()))


def _image_max(image: Tensor) -> Tensor:
    return torch.full_like(image, float(image.max()))


def _blur(image: Tensor) -> Tensor:
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
    sigma = _BLUR * max(pixels.shape[:2])
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return torch.from_numpy(blurred).permute(2, 0, 1).to(image)


_BASELINES: dict[Baseline, Callable[[Tensor], Tensor]] = {
    "mean_colour": _mean_colour,
    "black": _black,
    "white": _white,
    "image_min": _image_min,
    "image_max": _image_max,
    "blur": _blur,
}
