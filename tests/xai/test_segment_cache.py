from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.xai.nets import normalized_photo
from xai.segment_cache import SegmentCache
from xai.segments import find_segments

NAMES = ("astronaut", "coffee", "chelsea", "rocket")
IMAGES = [normalized_photo(name, 48) for name in NAMES]


def test_segments_are_those_of_the_image_and_found_once() -> None:
    cache = SegmentCache()
    found = cache(IMAGES[0])
    np.testing.assert_array_equal(found.masks(), find_segments(IMAGES[0]).masks())
    assert cache(IMAGES[0].copy()) is found


@pytest.mark.parametrize("change", ["pixel", "shape", "order"])
def test_another_image_has_its_own(change: str) -> None:
    cache = SegmentCache()
    found = cache(IMAGES[0])
    other = IMAGES[0].copy()
    if change == "pixel":
        other[5, 5, 1] += 0.5
    elif change == "shape":
        other = other.reshape(24, 96, 3)
    else:
        other = other.transpose(1, 0, 2)
    again = cache(other)
    assert again is not found
    np.testing.assert_array_equal(again.masks(), find_segments(other).masks())


def test_the_oldest_is_forgotten() -> None:
    cache = SegmentCache(images=2)
    first, second = cache(IMAGES[0]), cache(IMAGES[1])
    assert cache(IMAGES[0]) is first
    cache(IMAGES[2])
    assert cache(IMAGES[0]) is first
    assert cache(IMAGES[1]) is not second


def test_threads_get_the_segments_of_their_own_image() -> None:
    cache = SegmentCache(images=3)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(cache, IMAGES * 2))
    for image, found in zip(IMAGES * 2, results, strict=True):
        assert found.pixels.tolist() == find_segments(image).pixels.tolist()
