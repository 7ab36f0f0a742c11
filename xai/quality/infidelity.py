"""Infidelity: do the attributions of a part add up to what its loss costs?

Yeh et al., 2019, "On the (In)fidelity and Sensitivity of Explanations" (arXiv 1901.09392),
definition 2.1 with square removal, and its optimal scaling (section 3.1).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xai.quality.perturbation import CHUNK, Score

_SIDES = (0.15, 0.5)  # of a square, in parts of the image's


def random_squares(size_hw: tuple[int, int], count: int, rng: np.random.Generator) -> Tensor:
    """Masks (count, H, W), true in one square each, of random side and place."""
    height, width = size_hw
    sides = np.rint(rng.uniform(*_SIDES, count) * min(size_hw)).clip(min=1)[:, None]
    tops = np.floor(rng.uniform(0, height - sides + 1, (count, 1)))
    lefts = np.floor(rng.uniform(0, width - sides + 1, (count, 1)))
    rows, columns = np.arange(height), np.arange(width)
    in_rows = (tops <= rows) & (rows < tops + sides)
    in_columns = (lefts <= columns) & (columns < lefts + sides)
    return torch.from_numpy(in_rows[:, :, None] & in_columns[:, None, :])


def losses(score: Score, image: Tensor, without: Tensor, masks: Tensor) -> NDArray[np.float64]:
    """What each mask (N, H, W) costs an image (C, H, W): `without` has its pixels instead; (N,)."""
    changed = [
        score(torch.where(some[:, None], without, image))
        for some in masks.to(image.device).split(CHUNK)
    ]
    return score(image[None]).astype(np.float64) - np.concatenate(changed)


def infidelity(scores: NDArray[np.float32], masks: Tensor, costs: NDArray[np.float64]) -> float:
    """Mean squared error of a map (H, W) about the masks' costs, in parts of their mean square.

    The map is scaled so that the error is least: 0 is a map whose sums under the masks are in the
    costs' proportions, 1 one that says nothing of them. Costs of zero tell nothing: 1.
    """
    sums = masks.flatten(1).double().cpu().numpy() @ scores.astype(np.float64).ravel()
    explained, size, total = (sums * costs).mean(), (sums**2).mean(), (costs**2).mean()
    if size == 0 or total == 0:
        return 1.0
    return float(1.0 - explained**2 / (size * total))
