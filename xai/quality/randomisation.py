"""Does an explanation depend on what the network has learned?

Adebayo et al., 2018, "Sanity Checks for Saliency Maps" (arXiv 1810.03292): an explanation that
stays the same when all weights are drawn anew shows the image's edges, not the network's reasons.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inference.model_folder import ModelFacts
from inference.networks import build_network


def unlearned(facts: ModelFacts, *, seed: int) -> nn.Module:
    """Build the network with new random weights, in evaluation mode, gradients off.

    The global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(facts).eval().requires_grad_(False)


def rank_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Spearman's coefficient of two arrays of one shape, in [-1, 1]; ties share their mean rank.

    0 where one of them is even: it has no order to be compared.
    """
    first, second = _mean_ranks(a), _mean_ranks(b)
    spread = first.std() * second.std()
    if spread == 0:
        return 0.0
    covariance = ((first - first.mean()) * (second - second.mean())).mean()
    return float(covariance / spread)


def _mean_ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts - 1) / 2
    return middles[places.ravel()]
