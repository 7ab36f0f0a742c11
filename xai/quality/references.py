"""Maps that know nothing of the network. A method that is no better than they are shows nothing."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Reference = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.float32]]


def _random(image_rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.random(image_rgb.shape[:2], np.float32)


def _edges(image_rgb: NDArray[np.uint8], _: np.random.Generator) -> NDArray[np.float32]:
    """Sobel's gradient magnitude of the grey image."""
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    return np.hypot(across, down)


REFERENCES: dict[str, Reference] = {"random": _random, "edges": _edges}
