"""A classifier's resize and crop against Pillow, whose pixels it must give."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import interleaved, report
from inference.preprocess import resize_and_crop

CROP, RESIZED = 224, 256
_SIZES_WH = ((500, 666), (1600, 1200), (4000, 3000))
_PHOTOS = 20  # per call
Photo = NDArray[np.uint8]


def compare_resizing(*, rounds: int) -> None:
    """Time both on photos of several sizes. Raises ValueError when their pixels differ."""
    for width, height in _SIZES_WH:
        photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        if not np.array_equal(_pillow(photo), _ours(photo)):
            raise ValueError(f"the pixels of {width}×{height} differ")
        contestants = {
            "Pillow": partial(_times, _pillow, photo),
            "ours": partial(_times, _ours, photo),
        }
        seconds = interleaved(contestants, rounds=rounds)
        report(f"{_PHOTOS} photos of {width}×{height}", seconds, baseline="Pillow")


def _times(resize: Callable[[Photo], Photo], photo: Photo) -> None:
    for _ in range(_PHOTOS):
        resize(photo)


def _ours(photo: Photo) -> Photo:
    return resize_and_crop(photo, resize_size=RESIZED, crop_size=CROP)


def _pillow(photo: Photo) -> Photo:
    """Only the pixels of the crop, too."""
    height, width = photo.shape[:2]
    resized_hw = [RESIZED * side // min(height, width) for side in (height, width)]
    top, left = (
        round((resized - CROP) / 2) * side / resized
        for resized, side in zip(resized_hw, (height, width), strict=True)
    )
    down, across = (
        CROP * side / resized for resized, side in zip(resized_hw, (height, width), strict=True)
    )
    box = (left, top, min(left + across, width), min(top + down, height))
    return np.asarray(
        Image.fromarray(photo).resize((CROP, CROP), Image.Resampling.BILINEAR, box=box)
    )
