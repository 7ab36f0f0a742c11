import numpy as np
import pytest
from numpy.typing import NDArray
from saliency.core.xrai import XRAI
from scipy.ndimage import gaussian_filter

from tests.xai.nets import normalized_photo
from xai.merging import region_map
from xai.segments import Segments, find_segments

N = 50  # a region counts if it adds at least this many pixels


def segments_of(*rows: range, width: int) -> Segments:
    """Regions of a one-row image."""
    starts = np.cumsum([0, *map(len, rows)])
    pixels = np.concatenate([np.asarray(row, np.int32) for row in rows] or [np.empty(0, np.int32)])
    return Segments((1, width), starts, pixels)


def runs(*parts: tuple[float, int]) -> NDArray[np.float64]:
    """Values repeated along one row, as (value, pixels) each."""
    return np.concatenate([np.full(count, value) for value, count in parts])[None]


# Pixels' values, regions, expected full, expected fast.
CASES = {
    "no regions: the mean of all": (runs((1, N), (3, N)), [], runs((2, 2 * N)), runs((2, 2 * N))),
    "a region that is too small": (
        runs((1, N), (3, N)),
        [range(N - 1)],
        runs((2, 2 * N)),
        runs((2, 2 * N)),
    ),
    "disjoint regions keep their means": (
        runs((5, N), (1, N)),
        [range(N), range(N, 2 * N)],
        runs((5, N), (1, N)),
        runs((5, N), (1, N)),
    ),
    "the rest gets its own mean": (
        runs((5, N), (1, 10), (2, 10)),
        [range(N)],
        runs((5, N), (1.5, 20)),
        runs((5, N), (1.5, 20)),
    ),
    "negative values are no reason to leave a region out": (
        runs((-1, N), (-5, N), (2, N)),
        [range(2 * N), range(N, 2 * N)],
        runs((-3, 2 * N), (2, N)),
        runs((-3, 2 * N), (2, N)),
    ),
    # Means 8, 4 and 1.75: fast takes region 1 before region 2; full sees, after region 0, that
    # region 1 would add only zeros, and takes region 2.
    "full looks at what is not yet covered, fast at the whole": (
        runs((8, N), (0, N), (3.5, N)),
        [range(N), range(2 * N), range(N, 3 * N)],
        runs((8, N), (1.75, 2 * N)),
        runs((8, N), (0, N), (3.5, N)),
    ),
}


@pytest.mark.parametrize(("values", "regions", "full", "fast"), CASES.values(), ids=CASES)
def test_pencil_cases(
    values: NDArray[np.float64],
    regions: list[range],
    full: NDArray[np.float64],
    fast: NDArray[np.float64],
) -> None:
    segments = segments_of(*regions, width=values.shape[1])
    np.testing.assert_allclose(region_map(values, segments, fast=False), full)
    np.testing.assert_allclose(region_map(values, segments, fast=True), fast)


def attribution(kind: str, side: int) -> NDArray[np.float32]:
    values = np.random.default_rng(1).standard_normal((side, side)).astype(np.float32)
    return {
        "noise": values,
        "smooth": gaussian_filter(values, 8),
        "negative": -np.abs(values),
        "even": np.full_like(values, 0.5),
        "zero": np.zeros_like(values),
    }[kind]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "full"])
@pytest.mark.parametrize("kind", ["noise", "smooth", "negative", "even", "zero"])
@pytest.mark.parametrize(("name", "side"), [("rocket", 224), ("coffee", 96)])
def test_maps_are_those_of_the_reference(name: str, side: int, kind: str, fast: bool) -> None:
    segments = find_segments(normalized_photo(name, side))
    masks = list(segments.masks())
    merge = XRAI._xrai_fast if fast else XRAI._xrai
    expected, _ = merge(attribution(kind, side), masks)
    actual = region_map(attribution(kind, side), segments, fast=fast)
    np.testing.assert_allclose(actual, expected, atol=1e-6, rtol=0)


def test_the_sum_is_kept() -> None:
    values = attribution("noise", 96)
    segments = find_segments(normalized_photo("astronaut", 96))
    for fast in (True, False):
        assert region_map(values, segments, fast=fast).sum() == pytest.approx(
            values.sum(), rel=1e-4
        )


def test_segments_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 4\), got \(1, 5\)"):
        region_map(np.zeros((1, 5)), segments_of(width=4), fast=True)
