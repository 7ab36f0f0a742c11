"""ROAD: remove pixels by guessing them from their neighbours, so that no edges give them away.

Rong et al., ICML 2022, "A Consistent and Efficient Evaluation Strategy for Attribution Methods"
(arXiv 2202.00449), section 4: noisy linear imputation.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xai.quality.perturbation import CHUNK, Score

FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the pixels that are removed
NOISE = 0.01 / 0.226  # the paper's 0.01 of pixels in 0…1, in normalised values

# Direct neighbours weigh 1/6, diagonal ones 1/12.
_WEIGHTS = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], np.float32) / 12
_PRECISION = 1e-5  # of the residual: the error of a photo's pixels is below 0.002 then
_MOST_ROUNDS = 1000

Image = NDArray[np.float32]


def removal_curve(
    score: Score,
    image: Tensor,
    ranks: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    fractions: Sequence[float] = FRACTIONS,
    noise: float = NOISE,
) -> NDArray[np.float64]:
    """Score an image (C, H, W) without the first of its pixels by rank: a point per fraction."""
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
    guessed = []
    for fraction in fractions:
        removed = ranks < round(fraction * ranks.size)
        noisy = impute(pixels, removed) + noise * rng.standard_normal(pixels.shape, np.float32)
        guessed.append(np.where(removed[:, :, None], noisy, pixels))
    images = torch.from_numpy(np.stack(guessed)).permute(0, 3, 1, 2).to(image.device)
    return np.concatenate([score(chunk) for chunk in images.split(CHUNK)]).astype(np.float64)


def impute(image: Image, removed: NDArray[np.bool_]) -> Image:
    """Make each removed pixel the weighted mean of its neighbours, removed or not: (H, W, C).

    removed (H, W) leaves at least one pixel. The linear system of all removed pixels is symmetric
    and positive definite and is solved by conjugate gradients.
    """
    unknown = removed[:, :, None].astype(np.float32)
    known = image * (1 - unknown)
    share_inside = _weighted(np.ones_like(known))  # neighbours beside the image do not count

    def system(x: Image) -> Image:
        return unknown * (share_inside * x - _weighted(x))

    start = unknown * known.sum(axis=(0, 1)) / (1 - unknown).sum()
    right = unknown * _weighted(known)
    return known + _conjugate_gradients(system, right, start)


def _weighted(image: Image) -> Image:
    """Sum of the neighbours' values times their weights; 0 beside the image."""
    result = cv2.filter2D(image, -1, _WEIGHTS, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(result, np.float32).reshape(image.shape)  # OpenCV drops a single channel


def _conjugate_gradients(system: Callable[[Image], Image], right: Image, start: Image) -> Image:
    """Solve system(x) = right."""
    x = start
    direction = residual = right - system(x)
    square = np.vdot(residual, residual)
    goal = _PRECISION**2 * max(square, np.vdot(right, right))
    for _ in range(_MOST_ROUNDS):
        if square <= goal:
            break
        image = system(direction)
        step = square / np.vdot(direction, image)
        x = x + step * direction
        residual = residual - step * image
        before, square = square, np.vdot(residual, residual)
        direction = residual + square / before * direction
    return x
