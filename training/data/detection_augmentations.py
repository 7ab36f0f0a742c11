"""What training does to images with boxes: zoom out, crop around boxes, flip.

Zooming out and cropping are those of SSD (Liu et al. 2016, section 2.2), with milder numbers: it
was trained for hundreds of epochs.
"""

from typing import Protocol

import cv2
import numpy as np

from inference.preprocess import IMAGENET_MEAN
from training.data.detection_images import Samples
from training.data.detection_samples import Sample
from training.data.object_geometry import (
    Region,
    cut_out,
    scaling,
    transformed,
    visible_shares,
    warped,
)

MIN_VISIBLE_SHARE = 0.3  # an object of which less is left does not count
MAX_ZOOM_OUT = 2.0
CROP_SCALES = (0.3, 1.0)  # of a side
MAX_CROP_ASPECT = 2.0  # relative to the image's own
CROP_SHARES = (0.5, 0.7, 0.9, 1.0)  # what a crop must show of one box at least
_TRIES = 20
_RED, _GREEN, _BLUE = (round(255 * mean) for mean in IMAGENET_MEAN)


class Augmentation(Protocol):
    """Makes the sample that the network sees of samples[index] in an epoch."""

    def __call__(
        self, samples: Samples, index: int, *, epoch: int, rng: np.random.Generator
    ) -> Sample:
        """Everything random comes from `rng`."""
        ...


def unchanged(samples: Samples, index: int, *, epoch: int, rng: np.random.Generator) -> Sample:
    """Return the sample as it is; the rest is there for the common signature."""
    return samples[index]


def crop_expand(samples: Samples, index: int, *, epoch: int, rng: np.random.Generator) -> Sample:
    """Zoom out, crop around boxes and flip, each for one sample in two."""
    sample = samples[index]
    for change in (expanded, cropped_around_boxes, flipped):
        if rng.random() < 0.5:
            sample = change(sample, rng)
    return sample


def expanded(sample: Sample, rng: np.random.Generator) -> Sample:
    """Zoom out by up to 2: the image, made smaller, somewhere on a canvas of the mean colour.

    The canvas has the image's own size, so that an image of many pixels does not become one of
    many more.
    """
    height, width = sample.size_hw
    scale = 1 / rng.uniform(1.0, MAX_ZOOM_OUT)
    left, top = rng.uniform(0, 1 - scale, size=2) * (width, height)
    return warped(
        sample,
        scaling((scale, scale), (left, top)),
        size_hw=sample.size_hw,
        fill=(_RED, _GREEN, _BLUE),
        min_share=0.0,
    )


def cropped_around_boxes(sample: Sample, rng: np.random.Generator) -> Sample:
    """Crop so that of one box at least a random share stays visible, freely without boxes.

    SSD asks for an overlap of crop and box in IoU, which no crop has with a small object; here the
    visible share of the box stands for it. Returns the sample itself if a few tries fail.
    """
    wanted = rng.choice(CROP_SHARES)
    boxes = sample.objects.boxes_xyxy
    for _ in range(_TRIES):
        region = _random_region(sample.size_hw, rng)
        if len(boxes) == 0 or visible_shares(boxes, region).max() >= wanted:
            return cut_out(sample, region, min_share=MIN_VISIBLE_SHARE)
    return sample


def _random_region(size_hw: tuple[int, int], rng: np.random.Generator) -> Region:
    stretch = MAX_CROP_ASPECT ** rng.uniform(-0.5, 0.5)
    shares = np.clip(rng.uniform(*CROP_SCALES) * np.array([stretch, 1 / stretch]), *CROP_SCALES)
    height, width = np.maximum(1, np.round(shares * size_hw)).astype(int).tolist()
    top, left = rng.integers(0, (size_hw[0] - height + 1, size_hw[1] - width + 1)).tolist()
    return left, top, left + width, top + height


def flipped(sample: Sample, _: np.random.Generator) -> Sample:
    """Mirror left and right."""
    mirror = scaling((-1.0, 1.0), (sample.size_hw[1], 0.0))
    return Sample(np.asarray(cv2.flip(sample.image_rgb, 1)), transformed(sample.objects, mirror))
