"""Does an explanation lie on the object? By its highest place, and by the share of its sum.

Zhang et al., 2018, "Top-down Neural Attention by Excitation Backprop" (the pointing game, here
without its tolerance of 15 pixels); Arras et al., 2022, "CLEVR-XAI" (relevance mass accuracy).
"""

import numpy as np
from numpy.typing import NDArray


def pointing_game(map_hw: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """1 if the highest value lies inside, else 0; of several equal ones the share that does."""
    return float(inside[map_hw == map_hw.max()].mean())


def relevance_mass(map_hw: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Share of the positive values' sum that lies inside, in [0, 1].

    A map without positive values prefers no place, and has the share of the area.
    """
    positive = map_hw.clip(min=0).astype(np.float64)
    total = positive.sum()
    return float(positive[inside].sum() / total) if total > 0 else float(inside.mean())
