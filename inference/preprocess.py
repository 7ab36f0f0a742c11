"""An image to what the network sees. Validation, the server and explanations share this file."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.resize import resize_region

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

ResizeMode = Literal["short_side", "whole"]
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


def resize_and_crop(
    image_rgb: NDArray[np.uint8],
    *,
    resize_size: int,
    crop_size: int,
    mode: ResizeMode = "short_side",
    interpolation: Interpolation = "bilinear",
) -> NDArray[np.uint8]:
    """Resize the short side to `resize_size`, anti-aliased, and crop the centre.

    (H, W, 3) to (crop_size, crop_size, 3). Mode "whole" resizes both sides, which changes the
    image's shape, as some public models expect. Only the pixels that end up in the crop are
    computed, so an image of 1×20000 costs no more than any other. The result is that of
    torchvision's Resize + CenterCrop on a PIL image; a few pixels in a thousand differ by one
    level.
    """
    height, width = image_rgb.shape[:2]
    short = min(height, width)
    across, down = (width, height) if mode == "whole" else (short, short)
    left, right = _crop_span(width, across, resize_size, crop_size)
    top, bottom = _crop_span(height, down, resize_size, crop_size)
    box, size = (left, top, right, bottom), (crop_size, crop_size)
    if interpolation == "nearest":
        crop = Image.fromarray(image_rgb).resize(size, Image.Resampling.NEAREST, box=box)
        return np.asarray(crop)
    return resize_region(image_rgb, box, size, interpolation)


def _crop_span(
    length: int, resized_length: int, resize_size: int, crop_size: int
) -> tuple[float, float]:
    """Where the crop begins and ends along one side, in pixels of the original image.

    `resized_length` pixels of it become `resize_size`.
    """
    resized = resize_size * length // resized_length
    start = round((resized - crop_size) / 2.0)  # half to even, as torchvision's CenterCrop
    scale = length / resized
    return start * scale, min((start + crop_size) * scale, length)


def normalize(
    images_nhwc: NDArray[np.uint8],
    *,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> NDArray[np.float32]:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32, scaled to 0…1 and then by mean and std."""
    scale, shift = scale_and_shift(mean, std)
    pixels = images_nhwc.transpose(0, 3, 1, 2).astype(np.float32, order="C")
    pixels *= scale[:, None, None]  # in place: a batch of large canvases is a lot to copy
    pixels += shift[:, None, None]
    return pixels


def scale_and_shift(
    mean: tuple[float, float, float], std: tuple[float, float, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a pixel's 0…255 is multiplied by, and what is added then, per channel: (3,), (3,)."""
    divisor = np.asarray(std, np.float32)
    return np.float32(1.0 / 255.0) / divisor, -np.asarray(mean, np.float32) / divisor
