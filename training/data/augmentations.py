"""What training does to a picture so that the network sees it new in every epoch."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2

from inference.model_folder import Preprocessing


class ClassificationAugmentation:
    """Random resized crop, horizontal flip and colour jitter; (H, W, 3) uint8 in and out."""

    def __init__(self, crop_size: int) -> None:
        self._transform = v2.Compose(
            [
                v2.RandomResizedCrop(crop_size, scale=(0.25, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03),
            ]
        )

    def __call__(self, image_rgb: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
        """Augment one image; the same seed gives the same result."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return np.asarray(self._transform(Image.fromarray(image_rgb)))


def validation_crop(
    image_rgb: NDArray[np.uint8],
    *,
    seed: int,
    resize_size: int,
    crop_size: int,
    preprocessing: Preprocessing,
) -> NDArray[np.uint8]:
    """Crop as the server does; nothing is random, `seed` is there for the common signature."""
    return preprocessing.crop(image_rgb, resize_size=resize_size, crop_size=crop_size)
