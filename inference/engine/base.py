"""What every engine does."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """A model on a device. Called by one thread at a time."""

    name: str
    device: str

    def __call__(self, crops_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (N, S, S, 3), RGB and not yet normalised, to logits (N, C)."""
        ...
