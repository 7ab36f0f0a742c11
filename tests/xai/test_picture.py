from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.xai.nets import photo
from xai.picture import explanation_png, heat_map, top_mask

BLUE, WHITE = (26, 0, 133), (254, 255, 255)  # the ends of colorcet's bgyw


def scores(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    return np.asarray(rows, np.float32)


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [
        (scores((1, 2), (3, 4)), 0.0, [[0, 0], [0, 0]]),
        (scores((1, 2), (3, 4)), 0.5, [[0, 0], [1, 1]]),
        (scores((4, 1), (3, -9)), 0.75, [[1, 1], [1, 0]]),
        (scores((0, 0), (0, 0)), 0.5, [[1, 1], [0, 0]]),  # ties: raster order
        (scores((5, 1), (1, 1)), 0.5, [[1, 1], [0, 0]]),
    ],
)
def test_the_top_is_chosen_by_rank(
    values: NDArray[np.float32], fraction: float, expected: list[list[int]]
) -> None:
    assert top_mask(values, fraction=fraction).astype(int).tolist() == expected


def test_the_top_of_even_regions_has_exactly_its_share() -> None:
    regions = np.repeat(np.arange(4.0, dtype=np.float32), 56 * 224).reshape(224, 224)
    assert top_mask(regions, fraction=0.3).sum() == round(0.3 * 224 * 224)


@pytest.mark.parametrize(
    ("values", "percentile", "blue", "white"),
    [
        (scores((0, 1), (2, 3)), 100, [(0, 0)], [(1, 1)]),
        (scores((-5, -4), (-3, -2)), 100, [(0, 0)], [(1, 1)]),
        (scores((0, 1), (2, 300)), 50, [(0, 0)], [(1, 0), (1, 1)]),  # 1.5 is white already
        (scores((0, 0), (0, 3)), 50, [(0, 0), (0, 1), (1, 0)], [(1, 1)]),
        (scores((7, 7), (7, 7)), 99, [(0, 0), (0, 1), (1, 0), (1, 1)], []),
    ],
)
def test_colours(
    values: NDArray[np.float32],
    percentile: float,
    blue: list[tuple[int, int]],
    white: list[tuple[int, int]],
) -> None:
    heat = heat_map(values, clip_percentile=percentile)
    assert {tuple(heat[place]) for place in blue} == {BLUE}
    assert {tuple(heat[place]) for place in white} <= {WHITE}


def test_the_four_quarters() -> None:
    crop = photo("coffee", 64)
    values = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    data = explanation_png(crop, values, clip_percentile=100)
    with Image.open(BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (128, 128))
        grid = np.asarray(image)
    np.testing.assert_array_equal(grid[:64, :64], crop)
    heat = grid[:64, 64:]
    assert tuple(heat[0, 0]) == BLUE
    assert tuple(heat[-1, -1]) == WHITE
    mean = (crop.astype(float) + heat) / 2
    assert np.abs(grid[64:, :64] - mean).max() <= 0.5
    shown = grid[64:, 64:]
    cut = round(0.7 * 64 * 64)
    assert not shown.reshape(-1, 3)[:cut].any()
    np.testing.assert_array_equal(shown.reshape(-1, 3)[cut:], crop.reshape(-1, 3)[cut:])


def test_the_same_input_gives_the_same_bytes() -> None:
    crop = photo("astronaut", 48)
    values = np.random.default_rng(0).random((48, 48), dtype=np.float32)
    first, second = (explanation_png(crop, values, clip_percentile=99) for _ in range(2))
    assert first == second
