"""From the bytes of images to what a network sees, on a GPU."""

import numpy as np
import torch
from torch import Tensor

from inference.model_folder import Preprocessing


class GpuInput:
    """Normalises images where they are: sent as bytes, they are a quarter of float32's size."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        """The arithmetic is that of `normalize`, to the bit."""
        divisor = np.asarray(preprocessing.std, np.float32)
        shift = -np.asarray(preprocessing.mean, np.float32) / divisor
        self._scale = _per_channel(np.float32(1.0 / 255.0) / divisor)
        self._shift = _per_channel(shift)

    def __call__(self, images_nhwc: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 to (N, 3, H, W) float32, channels last."""
        pixels = images_nhwc.permute(0, 3, 1, 2).float()
        return pixels.mul_(self._scale).add_(self._shift)


def _per_channel(values: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> Tensor:
    return torch.from_numpy(values).to("cuda")[:, None, None]
