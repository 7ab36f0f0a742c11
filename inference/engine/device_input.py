"""From the bytes of images to what a network sees, where the network is."""

import torch
from torch import Tensor

from inference.model_folder import Preprocessing
from inference.preprocess import scale_and_shift


class DeviceInput:
    """Normalises images on a device: sent as bytes, they are a quarter of float32's size.

    The arithmetic is that of `normalize`, to the bit.
    """

    def __init__(self, preprocessing: Preprocessing, *, device: str) -> None:
        self._scale, self._shift = (
            torch.from_numpy(values).to(device)[:, None, None]
            for values in scale_and_shift(preprocessing.mean, preprocessing.std)
        )

    def __call__(self, images_nhwc: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 to (N, 3, H, W) float32, channels last."""
        pixels = images_nhwc.permute(0, 3, 1, 2).float()
        return pixels.mul_(self._scale).add_(self._shift)
