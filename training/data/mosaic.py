"""What training does to images for yolov5: mosaics of four, random affine maps, colours, flips."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.detection_augmentations import MIN_VISIBLE_SHARE, flipped
from training.data.detection_images import Samples
from training.data.detection_samples import Sample, joined
from training.data.object_geometry import (
    Matrix,
    cut_out,
    scaling,
    transformed,
    warped,
)

GREY = 114
MAX_ROTATION = 0.0  # degrees
MAX_TRANSLATION = 0.1  # of the side
MAX_SCALING = 0.5
MAX_SHEAR = 0.0  # degrees
HSV_GAINS = (0.015, 0.7, 0.4)  # of the hue's circle, of the saturation, of the value
MIN_SIDE = 2.0  # pixels
MAX_ASPECT = 20.0


@dataclass(frozen=True, slots=True)
class MosaicAugmentation:
    """Squares of `image_size`: a mosaic in the first `mosaic_epochs`, one image after them.

    Mosaics end before training does, so that it ends on images as they are. `augment` adds the
    affine map, colours and the flip; without it an image that is no mosaic stays as it is.
    """

    image_size: int
    mosaic_epochs: int
    augment: bool = True

    def __call__(
        self, samples: Samples, index: int, *, epoch: int, rng: np.random.Generator
    ) -> Sample:
        """Return samples[index], in a mosaic together with three random ones."""
        size = self.image_size
        if epoch < self.mosaic_epochs:
            places = [index, *rng.integers(len(samples), size=3).tolist()]
            sample = mosaic([samples[place] for place in places], size=size, rng=rng)
        elif self.augment:
            sample = fitted(samples[index], size)
        else:
            return samples[index]
        if not self.augment:
            return _on_square(sample, scaling((1.0, 1.0), (-size / 2, -size / 2)), size)
        sample = _on_square(sample, random_affine(sample.size_hw, size=size, rng=rng), size)
        sample = Sample(recolored(sample.image_rgb, rng), sample.objects)
        return flipped(sample, rng) if rng.random() < 0.5 else sample


def fitted(sample: Sample, size: int) -> Sample:
    """Resize so that the long side is `size`."""
    height, width = sample.size_hw
    scale = size / max(height, width)
    size_hw = max(1, round(height * scale)), max(1, round(width * scale))
    matrix = scaling((size_hw[1] / width, size_hw[0] / height), (0.0, 0.0))
    # Averages take eight times as long, and smaller steps hardly need them.
    interpolation = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    image = cv2.resize(sample.image_rgb, size_hw[::-1], interpolation=interpolation)
    return Sample(np.asarray(image, np.uint8), transformed(sample.objects, matrix))


def mosaic(samples: Sequence[Sample], *, size: int, rng: np.random.Generator) -> Sample:
    """Four images around a random point of a grey square of twice the size (YOLOv4, section 3.3).

    Each is fitted into `size` and touches the point with one corner; what of it lies outside is
    cut off. The point lies in the middle half of the square.
    """
    side = 2 * size
    x, y = rng.integers(size // 2, side - size // 2 + 1, size=2).tolist()
    pixels = np.full((side, side, 3), GREY, np.uint8)
    parts = []
    for number, sample in enumerate(samples):
        small = fitted(sample, size)
        height, width = small.size_hw
        left, top = x - width * (number % 2 == 0), y - height * (number < 2)
        inside = max(0, -left), max(0, -top), min(width, side - left), min(height, side - top)
        seen = cut_out(small, inside, min_share=MIN_VISIBLE_SHARE)
        left, top = max(0, left), max(0, top)
        pixels[top : top + seen.size_hw[0], left : left + seen.size_hw[1]] = seen.image_rgb
        parts.append(transformed(seen.objects, scaling((1.0, 1.0), (left, top))))
    return Sample(pixels, joined(parts))


def random_affine(size_hw: tuple[int, int], *, size: int, rng: np.random.Generator) -> Matrix:
    """A random map from an image to a square of side `size`; centre goes about to centre."""
    turn, shear_x, shear_y = np.deg2rad(
        rng.uniform(-1, 1, size=3) * (MAX_ROTATION, MAX_SHEAR, MAX_SHEAR)
    )
    scale = rng.uniform(1 - MAX_SCALING, 1 + MAX_SCALING)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = np.array([[1.0, np.tan(shear_x)], [np.tan(shear_y), 1.0]])
    linear = scale * shear @ rotation
    center = size * (0.5 + rng.uniform(-MAX_TRANSLATION, MAX_TRANSLATION, size=2))
    offset = center - linear @ (size_hw[1] / 2, size_hw[0] / 2)
    return np.column_stack([linear, offset])


def recolored(image_rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn the hue, multiply saturation and value, by random amounts within HSV_GAINS."""
    hue, saturation, value = rng.uniform(-1, 1, size=3) * HSV_GAINS
    levels = np.arange(256)
    table = np.stack(
        [
            (levels + 180 * hue) % 180,  # OpenCV counts hues from 0 to 179
            np.clip(levels * (1 + saturation), 0, 255),
            np.clip(levels * (1 + value), 0, 255),
        ],
        axis=-1,
    )
    hsv = cv2.LUT(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2HSV), table.astype(np.uint8)[None])
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def _on_square(sample: Sample, matrix: Matrix, size: int) -> Sample:
    """Map onto a grey square; what is too small or too thin for a target afterwards is left out."""
    square = warped(
        sample,
        matrix,
        size_hw=(size, size),
        fill=(GREY, GREY, GREY),
        min_share=MIN_VISIBLE_SHARE,
    )
    sides = square.objects.boxes_xyxy[:, 2:] - square.objects.boxes_xyxy[:, :2]
    short, long = sides.min(axis=1), sides.max(axis=1)
    is_target = (short >= MIN_SIDE) & (long <= MAX_ASPECT * short)
    return Sample(square.image_rgb, square.objects[is_target])
