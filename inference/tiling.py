"""Cutting an image into overlapping tiles."""

import math
import re
from collections.abc import Callable

from inference.canvas import Region
from inference.errors import BadRequest

AUTO = "auto"  # a grid that callers choose by `auto_grid`
MAX_TILES = 100
MIN_TILE = 32  # pixels; a detector's coarsest maps have one cell for so many
VISIBLE_PX = 24.0  # side on the canvas from which on small objects are found well
_AUTO_LIMIT = 8  # columns and rows that `auto_grid` goes up to
_GRID = re.compile(r"(\d{1,3})x(\d{1,3})")

Grid = tuple[int, int]  # columns, rows


GRID_FORM = (
    f'must be "none", "{AUTO}" or columns x rows such as "3x2" (3 across, 2 down) of at most '
    f"{MAX_TILES} tiles"
)


def parse_grid(text: str) -> Grid | None:
    """Read "3x2" as 3 columns and 2 rows; None for "none", "" and "1x1", which mean no tiles.

    Raises ValueError for anything else; the caller adds the key's name.
    """
    if text in ("", "none"):
        return None
    match = _GRID.fullmatch(text)
    columns, rows = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= columns * rows <= MAX_TILES:
        raise ValueError(f"{GRID_FORM}, got {text!r}")
    return None if columns * rows == 1 else (columns, rows)


def readable_grid(text: str) -> str:
    """Return a grid, or "auto", as it is. Raises ValueError, without what was got, for others."""
    try:
        if text != AUTO:
            parse_grid(text)
    except ValueError:
        raise ValueError(GRID_FORM) from None
    return text


def tile_regions(
    size_hw: tuple[int, int], *, grid: Grid | None, overlap_ratio: float
) -> list[Region]:
    """Cut an image into tiles of one size, row by row; together they cover it exactly.

    Neighbours share `overlap_ratio`, in [0, 1), of a tile's side, up to rounding. The whole image
    is not among the tiles; without a grid there are none. Raises BadRequest for tiles under 32
    pixels.
    """
    if not 0.0 <= overlap_ratio < 1.0:
        raise BadRequest(f"tile_overlap_ratio must be in [0, 1), got {overlap_ratio}")
    if grid is None:
        return []
    tile_hw = _tile_hw(size_hw, grid, overlap_ratio)
    if min(tile_hw) < MIN_TILE:
        raise _too_small(size_hw, grid, tile_hw, overlap_ratio)
    columns, rows = grid
    return [
        (left, top, left + tile_hw[1], top + tile_hw[0])
        for top in _starts(size_hw[0], tile_hw[0], rows)
        for left in _starts(size_hw[1], tile_hw[1], columns)
    ]


def _tile_hw(size_hw: tuple[int, int], grid: Grid, overlap_ratio: float) -> tuple[int, int]:
    columns, rows = grid
    return _tile(size_hw[0], rows, overlap_ratio), _tile(size_hw[1], columns, overlap_ratio)


def _tile(side: int, count: int, overlap_ratio: float) -> int:
    exact = side / (count - (count - 1) * overlap_ratio)
    return math.ceil(round(exact, 6))  # rounded first: 300.0000000001 is 300


def _starts(side: int, tile: int, count: int) -> list[int]:
    return [i * (side - tile) // max(1, count - 1) for i in range(count)]


def _most_tiles(side: int, overlap_ratio: float) -> int:
    """How many tiles of 32 pixels fit along a side."""
    return max(1, math.floor((side / MIN_TILE - overlap_ratio) / (1.0 - overlap_ratio)))


def _too_small(
    size_hw: tuple[int, int], grid: Grid, tile_hw: tuple[int, int], overlap_ratio: float
) -> BadRequest:
    most = [_most_tiles(side, overlap_ratio) if min(size_hw) >= MIN_TILE else 1 for side in size_hw]
    return BadRequest(
        f"tile_grid_size {grid[0]}x{grid[1]} cuts this image of {size_hw[1]}×{size_hw[0]} pixels "
        f"into tiles of {tile_hw[1]}×{tile_hw[0]}; a tile must be at least {MIN_TILE}×{MIN_TILE}, "
        f"so at most {most[1]}x{most[0]} fits at tile_overlap_ratio {overlap_ratio}"
    )


def auto_grid(
    size_hw: tuple[int, int],
    *,
    object_px: float,
    canvas_scale: Callable[[tuple[int, int]], float],
    overlap_ratio: float = 0.25,
) -> Grid | None:
    """Choose the fewest, nearly square tiles on which small objects are seen large enough.

    object_px: the side of a small object (square root of its area) in pixels of the image.
    canvas_scale: by what factor the detector resizes a region of a given height and width. None
    where the whole image already shows the object VISIBLE_PX large, or is too small to be cut.
    Where no grid up to 8x8 does, the finest one that is allowed.
    """
    chosen = None
    for grid in _square_grids(size_hw, overlap_ratio):
        tile_hw = _tile_hw(size_hw, grid, overlap_ratio)
        chosen = grid if grid != (1, 1) else None
        if object_px * canvas_scale(tile_hw) >= VISIBLE_PX:
            break
    return chosen


def _square_grids(size_hw: tuple[int, int], overlap_ratio: float) -> list[Grid]:
    """For 1, 2, … tiles along the long side the number along the short one that squares them."""
    long, short = max(size_hw), min(size_hw)
    if short < MIN_TILE:
        return []
    limits = [min(_AUTO_LIMIT, _most_tiles(side, overlap_ratio)) for side in (long, short)]
    grids = []
    for along in range(1, limits[0] + 1):
        across = _square_count(_tile(long, along, overlap_ratio), short, overlap_ratio, limits[1])
        grids.append((along, across) if long == size_hw[1] else (across, along))
    return grids


def _square_count(tile: int, side: int, overlap_ratio: float, limit: int) -> int:
    counts = range(1, limit + 1)
    return min(counts, key=lambda n: abs(math.log(_tile(side, n, overlap_ratio) / tile)))
