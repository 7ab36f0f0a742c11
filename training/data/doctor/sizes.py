"""How large the objects are, on their images and on the model's canvas, and what would help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.tiling import VISIBLE_PX, Grid, auto_grid
from training.data.object_sizes import box_sizes_px, small_object_px
from training.data.records import Record

PERCENTILES = (1, 10, 50, 90, 99)
_LARGEST_GAIN = 2.0  # a canvas of twice the side costs four times the time: beyond, tiles do
_STEP = 32  # canvases are multiples of it


@dataclass(frozen=True, slots=True)
class ModelCanvas:
    """What a model makes of an image: scale_of(size_hw), and the setting that governs its side."""

    model_name: str
    setting: str
    side: int
    scale_of: Callable[[tuple[int, int]], float]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectSizes:
    """Sides (√area) of all objects: pixels, ratios of the image's side, pixels on the canvas.

    grid and side are what to set so that one object in ten is under 24 canvas pixels at most; None
    where that is so already. `side` is None, too, where only tiles can do it.
    """

    sides_px: NDArray[np.float32]
    sides_ratio: NDArray[np.float32]
    sides_canvas_px: NDArray[np.float32]
    canvas: ModelCanvas
    grid: Grid | None
    side: int | None


def object_sizes(records: Sequence[Record], canvas: ModelCanvas) -> ObjectSizes | None:
    """Measure the objects of training images; None where there are none."""
    small = small_object_px(records)
    if small is None:
        return None
    on_canvas = _sides(records, canvas.scale_of)
    shown = float(np.percentile(on_canvas, 10))
    typical_hw = _typical_hw(records)
    too_small = shown < VISIBLE_PX
    grid = auto_grid(typical_hw, object_px=small, canvas_scale=canvas.scale_of)
    gain = VISIBLE_PX / shown
    larger = -(-round(canvas.side * gain) // _STEP) * _STEP
    return ObjectSizes(
        sides_px=_sides(records, lambda _: 1.0),
        sides_ratio=_sides(records, lambda size_hw: (size_hw[0] * size_hw[1]) ** -0.5),
        sides_canvas_px=on_canvas,
        canvas=canvas,
        grid=grid if too_small else None,
        side=larger if too_small and gain <= _LARGEST_GAIN else None,
    )


def percentiles(values: NDArray[np.float32]) -> dict[str, float]:
    """The percentiles that are reported, p1 to p99."""
    return {f"p{q}": round(float(np.percentile(values, q)), 4) for q in PERCENTILES}


def _sides(
    records: Sequence[Record], scale_of: Callable[[tuple[int, int]], float]
) -> NDArray[np.float32]:
    return np.sqrt(box_sizes_px(records, scale_of).prod(axis=1))


def _typical_hw(records: Sequence[Record]) -> tuple[int, int]:
    """The size of the image that is in the middle by area."""
    sizes = sorted((r.size_hw for r in records if r.size_hw), key=lambda hw: hw[0] * hw[1])
    return sizes[len(sizes) // 2]
