"""The inner loops of XRAI's merging, compiled. Regions are rows of a sparse matrix (CSR)."""

import numpy as np
from numpy.typing import NDArray

from inference.compiled import compiled

Flags = NDArray[np.bool_]
Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Floats = NDArray[np.float64]


@compiled
def _columns(starts: Offsets, pixels: Ints, n_pixels: int) -> tuple[Offsets, Ints]:
    """Transpose the matrix: for each pixel, the regions that hold it (CSC)."""
    offsets = np.zeros(n_pixels + 1, dtype=np.int64)
    for pixel in pixels:
        offsets[pixel + 1] += 1
    offsets = np.cumsum(offsets)
    regions = np.empty(len(pixels), dtype=np.int32)
    filled = offsets[:-1].copy()
    for region in range(len(starts) - 1):
        for pixel in pixels[starts[region] : starts[region + 1]]:
            regions[filled[pixel]] = region
            filled[pixel] += 1
    return offsets, regions


@compiled
def _sums(starts: Offsets, pixels: Ints, values: Floats) -> Floats:
    sums = np.zeros(len(starts) - 1)
    for region in range(len(sums)):
        for pixel in pixels[starts[region] : starts[region + 1]]:
            sums[region] += values[pixel]
    return sums


@compiled
def _paint(pixels: Ints, values: Floats, painted: Floats, covered: Flags, min_new: int) -> bool:
    """Write the mean value of the uncovered pixels on them; nothing if they are too few."""
    count = 0
    total = 0.0
    for pixel in pixels:
        if not covered[pixel]:
            count += 1
            total += values[pixel]
    if count < min_new:
        return False
    for pixel in pixels:
        if not covered[pixel]:
            painted[pixel] = total / count
    return True


@compiled
def _paint_rest(values: Floats, painted: Floats, covered: Flags) -> None:
    _paint(np.arange(len(values)).astype(np.int32), values, painted, covered, 1)


@compiled
def _best_region(counts: Offsets, sums: Floats, min_new: int) -> int:
    """Find the highest mean among the regions with enough uncovered pixels; -1 if there is none."""
    best = -1
    best_mean = -np.inf
    for region in range(len(counts)):
        if counts[region] >= min_new and sums[region] / counts[region] > best_mean:
            best = region
            best_mean = sums[region] / counts[region]
    return best


@compiled
def cover_greedily(starts: Offsets, pixels: Ints, values: Floats, min_new: int) -> Floats:
    """Cover the pixels with the region whose uncovered part has the highest mean, repeatedly."""
    painted = np.zeros(len(values))
    covered = np.zeros(len(values), dtype=np.bool_)
    offsets, regions = _columns(starts, pixels, len(values))
    counts = np.diff(starts)
    sums = _sums(starts, pixels, values)
    best = _best_region(counts, sums, min_new)
    while best >= 0:
        own = pixels[starts[best] : starts[best + 1]]
        _paint(own, values, painted, covered, min_new)
        for pixel in own:
            if covered[pixel]:
                continue
            covered[pixel] = True
            for region in regions[offsets[pixel] : offsets[pixel + 1]]:
                counts[region] -= 1
                sums[region] -= values[pixel]
        best = _best_region(counts, sums, min_new)
    _paint_rest(values, painted, covered)
    return painted


@compiled
def cover_in_order(starts: Offsets, pixels: Ints, values: Floats, min_new: int) -> Floats:
    """Cover the pixels with the regions in the order of their own means, highest first."""
    painted = np.zeros(len(values))
    covered = np.zeros(len(values), dtype=np.bool_)
    means = _sums(starts, pixels, values) / np.maximum(np.diff(starts), 1)
    for region in np.argsort(-means, kind="mergesort"):
        own = pixels[starts[region] : starts[region + 1]]
        if _paint(own, values, painted, covered, min_new):
            covered[own] = True
    _paint_rest(values, painted, covered)
    return painted
