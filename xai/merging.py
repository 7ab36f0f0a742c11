"""XRAI's second half: rank regions by their mean attribution and give each pixel its region's.

Kapishnikov et al., 2019, "XRAI: Better Attributions Through Regions" (arXiv 1906.02825), algorithm
1, as its authors' package `saliency` 0.2.1 computes it. Here each region's count and sum over the
pixels that are not yet covered are kept and updated once per pixel, when that pixel is covered, so
the full variant costs no more than the fast one.
"""

import numpy as np
from numpy.typing import NDArray

from xai.covering import cover_greedily, cover_in_order
from xai.segments import Segments

MIN_NEW_PIXELS = 50  # a region that would add fewer pixels is left out


def region_map(
    attribution_hw: NDArray[np.floating], segments: Segments, *, fast: bool
) -> NDArray[np.float64]:
    """Give every pixel the mean attribution of the part of a region that covered it: (H, W).

    Full: take, again and again, the region whose uncovered part has the highest mean; the first
    wins a tie. Fast: take the regions in the order of their own means, overlaps ignored. Pixels
    that no region covered get their mean. Sums are in float64.
    Raises ValueError when the segments are of another image size.
    """
    if attribution_hw.shape != segments.shape_hw:
        raise ValueError(
            f"attribution_hw must have the segments' shape {segments.shape_hw}, "
            f"got {attribution_hw.shape}"
        )
    cover = cover_in_order if fast else cover_greedily
    flat = attribution_hw.astype(np.float64).ravel()
    return cover(segments.starts, segments.pixels, flat, MIN_NEW_PIXELS).reshape(
        attribution_hw.shape
    )
