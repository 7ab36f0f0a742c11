"""How large the labelled objects are, in pixels of their images and of what a detector sees."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.records import Record

_SMALL = 10  # percentile of the sides that stands for small objects


def box_sizes_px(
    records: Sequence[Record], scale_of: Callable[[tuple[int, int]], float]
) -> NDArray[np.float32]:
    """Width and height (n, 2) of all boxes, times the factor that `scale_of(size_hw)` gives.

    Crowds, and images whose size is not known, are left out.
    """
    sizes = [
        (scale * size_hw[1] * (x2 - x1), scale * size_hw[0] * (y2 - y1))
        for record in records
        if (size_hw := record.size_hw) is not None
        for scale in [scale_of(size_hw)]
        for x1, y1, x2, y2 in (item.box for item in record.objects if not item.is_crowd)
    ]
    return np.array(sizes, np.float32).reshape(-1, 2)


def small_object_px(records: Sequence[Record]) -> float | None:
    """Side, the root of the area, in image pixels that one object in ten stays under."""
    sides = np.sqrt(box_sizes_px(records, lambda _: 1.0).prod(axis=1))
    return float(np.percentile(sides, _SMALL)) if len(sides) else None
