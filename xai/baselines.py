"""Where paths begin: images that hold no evidence, or as little as is known how to."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from inference.model_folder import IMAGENET, Preprocessing
from inference.schema import Baseline

_BLUR = 0.05  # sigma, in parts of the image's side


def baselines_of(
    names: Sequence[Baseline], image: Tensor, preprocessing: Preprocessing = IMAGENET
) -> list[Tensor]:
    """Return a baseline per name for an image (C, H, W), each of its shape.

    `preprocessing` normalised the image, and decides which values are black and white.
    """
    return [_BASELINES[name](image, preprocessing) for name in names]


def _mean_colour(image: Tensor, _: Preprocessing) -> Tensor:
    """Zeros, captum's default; in normalised values they are the grey of the mean colour."""
    return torch.zeros_like(image)


def _black(image: Tensor, preprocessing: Preprocessing) -> Tensor:
    return _grey(image, 0, preprocessing)


def _white(image: Tensor, preprocessing: Preprocessing) -> Tensor:
    return _grey(image, 255, preprocessing)


def _grey(image: Tensor, level: int, preprocessing: Preprocessing) -> Tensor:
    pixel = preprocessing.normalized(np.full((1, 1, 1, 3), level, np.uint8))[0]
    return torch.from_numpy(pixel).to(image).expand_as(image)


def _image_min(image: Tensor, _: Preprocessing) -> Tensor:
    return torch.full_like(image, float(image.min()))


def _image_max(image: Tensor, _: Preprocessing) -> Tensor:
    return torch.full_like(image, float(image.max()))


def _blur(image: Tensor, _: Preprocessing) -> Tensor:
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
    sigma = _BLUR * max(pixels.shape[:2])
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return torch.from_numpy(blurred).permute(2, 0, 1).to(image)


_BASELINES: dict[Baseline, Callable[[Tensor, Preprocessing], Tensor]] = {
    "mean_colour": _mean_colour,
    "black": _black,
    "white": _white,
    "image_min": _image_min,
    "image_max": _image_max,
    "blur": _blur,
}
