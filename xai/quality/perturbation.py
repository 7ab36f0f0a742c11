"""Insertion and deletion: what a network says while the pixels that matter most come or go.

Petsiuk et al., 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models" (arXiv
1806.07421), section 4.3.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Score = Callable[[Tensor], NDArray[np.float32]]  # images (N, C, H, W) to (N,)

CHUNK = 8  # images that are scored at once
_BLUR = 0.1  # sigma, in parts of the side


def pixel_ranks(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rank the pixels of (H, W): 0 has the highest score; ties go in raster order, as in pictures.

    Raster order is arbitrary but the same for all methods; XRAI's scores are equal over regions.
    """
    order = np.argsort(-scores.ravel(), kind="stable")
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.arange(order.size)
    return ranks.reshape(scores.shape)


def exchange_curve(
    score: Score, before: Tensor, after: Tensor, ranks: NDArray[np.int64], *, steps: int
) -> NDArray[np.float64]:
    """Score an image while it changes from `before` to `after`, both (C, H, W), rank by rank.

    Point k of the steps + 1 has the first k/steps of the pixels from `after`. Insertion goes from a
    blurred image to the image, deletion from the image to an even one.
    """
    places = torch.from_numpy(ranks).to(before.device)
    counts = np.rint(np.linspace(0, ranks.size, steps + 1)).astype(int).tolist()
    parts = []
    for start in range(0, len(counts), CHUNK):
        masks = torch.stack([places < count for count in counts[start : start + CHUNK]])
        parts.append(score(torch.where(masks[:, None], after, before)))
    return np.concatenate(parts).astype(np.float64)


def area_under(curve: NDArray[np.float64]) -> float:
    """Area under equally spaced points over 0…1, by the trapezoid rule."""
    return float((curve.sum() - (curve[0] + curve[-1]) / 2) / (len(curve) - 1))


def blurred(image: Tensor) -> Tensor:
    """Blur an image (C, H, W) until little but its colours is left, as insertion begins.

    The paper's authors blur less (sigma 5 at 224 pixels), which leaves classifiers of single large
    objects nearly as sure as before: all methods would get the same number.
    """
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
    result = cv2.GaussianBlur(pixels, (0, 0), _BLUR * max(image.shape[-2:]))
    return torch.from_numpy(result).permute(2, 0, 1).to(image)
