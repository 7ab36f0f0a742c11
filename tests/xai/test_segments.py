import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from saliency.core import xrai as reference
from skimage.segmentation import felzenszwalb

from tests.xai.nets import normalized_photo
from xai.segments import MIN_PIXELS, SCALES, SIGMA, Segments, find_segments, label_maps


def noise(shape_hw: tuple[int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((*shape_hw, 3), dtype=np.float32)


def gradient(shape_hw: tuple[int, int]) -> NDArray[np.float32]:
    rows, columns = np.meshgrid(*map(np.arange, shape_hw), indexing="ij")
    return np.stack([rows, columns, rows + columns], axis=-1).astype(np.float32) / sum(shape_hw)


IMAGES = {
    "constant but for one value": np.eye(1, 96 * 96 * 3, dtype=np.float32).reshape(96, 96, 3),
    "noise": noise((224, 224)),
    "wide noise": noise((96, 130)),
    "gradient": gradient((224, 224)),
    "tall gradient": gradient((300, 120)),
    "wide photo": normalized_photo("coffee", 224)[:150],
    "astronaut 224": normalized_photo("astronaut", 224),
    "rocket 224": normalized_photo("rocket", 224),
    "coffee 192": normalized_photo("coffee", 192),
    "chelsea 299": normalized_photo("chelsea", 299),
    "tiny astronaut": normalized_photo("astronaut", 48),
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_regions_are_those_of_the_reference(image: NDArray[np.float32]) -> None:
    expected = np.stack(reference._get_segments_felzenszwalb(image))
    np.testing.assert_array_equal(find_segments(image).masks(), expected)


def test_label_maps_are_those_of_scikit_image_at_every_scale() -> None:
    image = normalized_photo("rocket", 224)
    low, high = image.min(), image.max()
    spread = (image - low) / (high - low) * 2 - 1
    for labels, scale in zip(label_maps(image), SCALES, strict=True):
        expected = felzenszwalb(spread, scale=scale, sigma=SIGMA, min_size=MIN_PIXELS)
        np.testing.assert_array_equal(labels, expected)


def test_a_constant_image_is_one_region_per_scale() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segments = find_segments(np.full((20, 30, 3), 0.25, np.float32))
    assert segments.masks().shape == (len(SCALES), 20, 30)
    assert segments.masks().all()


def test_the_image_is_left_as_it_is() -> None:
    image = normalized_photo("coffee", 64)
    before = image.copy()
    find_segments(image)
    np.testing.assert_array_equal(image, before)


def test_masks_of_rows() -> None:
    segments = Segments((2, 2), np.array([0, 1, 1, 4]), np.array([3, 0, 1, 2], np.int32))
    assert len(segments) == 3
    assert segments.masks().astype(int).tolist() == [
        [[0, 0], [0, 1]],
        [[0, 0], [0, 0]],
        [[1, 1], [1, 0]],
    ]
