from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import BadRequest
from inference.tiling import MIN_TILE, auto_grid, parse_grid, tile_regions

SIZES = st.tuples(st.integers(400, 3000), st.integers(400, 3000))
GRIDS = st.tuples(st.integers(1, 6), st.integers(1, 6))
OVERLAPS = st.floats(0.0, 0.95)


@pytest.mark.parametrize(
    ("text", "grid"),
    [
        ("", None),
        ("none", None),
        ("1x1", None),
        ("3x2", (3, 2)),
        ("1x2", (1, 2)),
        ("10x10", (10, 10)),
        ("100x1", (100, 1)),
    ],
)
def test_a_grid_is_columns_by_rows(text, grid):
    assert parse_grid(text) == grid


@pytest.mark.parametrize(
    "text",
    ["0x0", "0x3", "3", "3x", "x2", "3x2x1", "3*2", "-3x2", "3.5x2", "auto", "11x10", "9999x1"],
)
def test_other_grids_are_refused(text):
    with pytest.raises(ValueError, match=r'"none".*"3x2".*at most 100 tiles, got ') as raised:
        parse_grid(text)
    assert repr(text) in str(raised.value)


def test_without_a_grid_there_are_no_tiles():
    assert tile_regions((100, 100), grid=None, overlap_ratio=0.25) == []


@pytest.mark.parametrize(
    ("size_hw", "grid", "overlap", "regions"),
    [
        ((100, 70), (1, 1), 0.25, [(0, 0, 70, 100)]),
        ((50, 100), (2, 1), 0.0, [(0, 0, 50, 50), (50, 0, 100, 50)]),
        ((50, 175), (2, 1), 0.25, [(0, 0, 100, 50), (75, 0, 175, 50)]),
        ((175, 50), (1, 2), 0.25, [(0, 0, 50, 100), (0, 75, 50, 175)]),
        ((40, 101), (2, 1), 0.0, [(0, 0, 51, 40), (50, 0, 101, 40)]),
        (
            (80, 120),
            (3, 2),
            0.0,
            [(x, y, x + 40, y + 40) for y in (0, 40) for x in (0, 40, 80)],
        ),
    ],
)
def test_tiles_run_row_by_row(size_hw, grid, overlap, regions):
    assert tile_regions(size_hw, grid=grid, overlap_ratio=overlap) == regions


@settings(deadline=None)
@given(SIZES, GRIDS, OVERLAPS)
def test_tiles_are_equal_overlap_and_cover_the_image(size_hw, grid, overlap):
    regions = tile_regions(size_hw, grid=grid, overlap_ratio=overlap)
    columns, rows = grid
    assert len(regions) == columns * rows
    assert len({(x2 - x1, y2 - y1) for x1, y1, x2, y2 in regions}) == 1
    spans = {(x1, x2) for x1, _, x2, _ in regions}, {(y1, y2) for _, y1, _, y2 in regions}
    for span, side in zip(spans, size_hw[::-1], strict=True):
        ordered = sorted(span)
        assert (ordered[0][0], ordered[-1][1]) == (0, side)
        tile = ordered[0][1]
        for (_, end), (begin, _) in pairwise(ordered):
            assert end - begin == pytest.approx(overlap * tile, abs=2)


@pytest.mark.parametrize(
    ("size_hw", "grid", "message"),
    [
        (
            (100, 200),
            (10, 2),
            r"10x2 cuts this image of 200×100 .* tiles of 26×58.*at most 8x3 fits",
        ),
        ((31, 500), (2, 1), r"2x1 cuts this image of 500×31 .*at most 1x1 fits"),
    ],
)
def test_tiles_too_small_are_refused_and_what_fits_is_named(size_hw, grid, message):
    with pytest.raises(BadRequest, match="tile_grid_size " + message):
        tile_regions(size_hw, grid=grid, overlap_ratio=0.25)


@settings(deadline=None)
@given(SIZES, OVERLAPS)
def test_the_grid_that_an_error_names_fits_and_no_larger_one_does(size_hw, overlap):
    with pytest.raises(BadRequest) as raised:
        tile_regions(size_hw, grid=(10**6, 10**6), overlap_ratio=overlap)
    named = str(raised.value).split("at most ")[1].split(" ")[0]
    columns, rows = (int(count) for count in named.split("x"))
    assert tile_regions(size_hw, grid=(columns, 1), overlap_ratio=overlap)
    assert tile_regions(size_hw, grid=(1, rows), overlap_ratio=overlap)


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan")])
def test_an_overlap_outside_its_range_is_refused(overlap):
    with pytest.raises(BadRequest, match=r"tile_overlap_ratio must be in \[0, 1\), got"):
        tile_regions((100, 100), grid=(2, 2), overlap_ratio=overlap)


def short_side_600(size_hw):
    return min(600 / min(size_hw), 1333 / max(size_hw))


def letterbox_640(size_hw):
    return 640 / max(size_hw)


@pytest.mark.parametrize(
    ("size_hw", "object_px", "scale", "grid"),
    [
        ((600, 800), 24, short_side_600, None),
        ((1200, 1200), 48, short_side_600, None),
        ((1200, 1200), 40, short_side_600, (2, 2)),  # tiles of 686: 40 px are seen as 35
        ((1280, 1280), 28, letterbox_640, (2, 2)),  # tiles of 732: 28 px are seen as 24.5
        ((1280, 1280), 24, letterbox_640, (3, 3)),
        ((1280, 2560), 24, letterbox_640, (6, 3)),
        ((2560, 1280), 24, letterbox_640, (3, 6)),
        ((4000, 4000), 1, letterbox_640, (8, 8)),  # never large enough: the finest
        ((64, 64), 1, letterbox_640, (2, 2)),  # tiles of 37 can be cut once, not twice
        ((31, 2000), 1, letterbox_640, None),
    ],
)
def test_the_automatic_grid_shows_small_objects_large_enough(size_hw, object_px, scale, grid):
    assert auto_grid(size_hw, object_px=object_px, canvas_scale=scale) == grid


@settings(deadline=None)
@given(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.floats(1, 100), OVERLAPS)
def test_the_automatic_grid_can_always_be_cut(size_hw, object_px, overlap):
    grid = auto_grid(
        size_hw, object_px=object_px, canvas_scale=short_side_600, overlap_ratio=overlap
    )
    for x1, y1, x2, y2 in tile_regions(size_hw, grid=grid, overlap_ratio=overlap):
        assert min(x2 - x1, y2 - y1) >= MIN_TILE
