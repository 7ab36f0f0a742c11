"""Every pixel as Pillow computes it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.resize import FILTERS, resize_region

# Height, width, region, and height and width of the result.
CASES = [
    ((37, 53), (0.0, 0.0, 53.0, 37.0), (16, 24)),
    ((37, 53), (3.3, 2.7, 50.1, 36.9), (20, 20)),
    ((200, 160), (10.0, 30.5, 150.0, 170.5), (64, 64)),  # more rows than are turned at a time
    ((30, 20), (0.0, 0.0, 20.0, 30.0), (75, 50)),  # larger
    ((40, 40), (8.0, 8.0, 40.0, 40.0), (32, 32)),  # as it is
    ((20, 3000), (1489.1, 1.4, 1510.9, 18.6), (28, 28)),  # a small part of a long image
    ((1, 1), (0.0, 0.0, 1.0, 1.0), (5, 5)),
    ((1, 900), (449.6, 0.1, 450.4, 0.9), (8, 8)),
]


def noise(size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(size_hw)).integers(0, 256, (*size_hw, 3), np.uint8)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("image_hw", "box", "size_hw"), CASES)
def test_the_result_is_pillows(
    name: str,
    image_hw: tuple[int, int],
    box: tuple[float, float, float, float],
    size_hw: tuple[int, int],
) -> None:
    image = noise(image_hw)
    resampling = Image.Resampling[name.upper()]
    expected = Image.fromarray(image).resize(size_hw[::-1], resampling, box=box)
    np.testing.assert_array_equal(resize_region(image, box, size_hw, name), np.asarray(expected))


def test_a_view_of_an_array_is_an_image_too() -> None:
    image = noise((50, 60))
    whole = (0.0, 0.0, 50.0, 60.0)
    turned = np.rot90(image)
    expected = resize_region(np.ascontiguousarray(turned), whole, (20, 20), "bilinear")
    np.testing.assert_array_equal(resize_region(turned, whole, (20, 20), "bilinear"), expected)


def test_light_and_dark_stay_within_8_bits() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, 4:] = 255  # bicubic weights overshoot on both sides of an edge
    result = resize_region(image, (0.0, 0.0, 8.0, 8.0), (32, 32), "bicubic")
    assert result.min() == 0
    assert result.max() == 255
