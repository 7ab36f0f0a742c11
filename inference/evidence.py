"""What the scores of single detections follow from: feature maps, kept on the way to the heads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from inference.candidates import Candidates


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of a feature map lie: cell i is centred at (i + center) · stride.

    stride in canvas pixels; size_hw in cells. center is what the family's boxes take it to be: 0
    for torchvision's anchors and RoIAlign, 0.5 for detectors that look at the middle of a cell.
    """

    size_hw: tuple[int, int]
    stride: int
    center: float


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """All cells of one map that a score depends on: a leaf of the score's graph.

    values (1, channels, h, w) lie at row and column `corner_yx` of the map that `grid` describes.
    """

    values: Tensor
    corner_yx: tuple[int, int]
    grid: Grid


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """Scores of n detections and what each of them follows from.

    log_odds (n,): log(s / (1 - s)) of each score s, with its graph, computed without rounding s to
    0 or 1. patches: those of each detection. disjoint: no two detections have a patch in common,
    so the gradient of the sum holds the gradient of each.
    """

    log_odds: Tensor
    patches: Sequence[Sequence[Patch]]
    disjoint: bool


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """One canvas that went through a detector.

    candidates: as the family's `decode` gives them. trace(rows, label_ids): computes the scores of
    the candidates `rows` (n,) for the classes `label_ids` (n,), from the patches alone.
    """

    candidates: Candidates
    trace: Callable[[Tensor, Tensor], Traced]


def cut_patch(
    map_: Tensor, window_yx: tuple[tuple[int, int], tuple[int, int]], *, stride: int, center: float
) -> Patch:
    """Make a leaf of the rows and columns (from, to) of a map (1, c, h, w)."""
    (top, bottom), (left, right) = window_yx
    values = map_[:, :, top:bottom, left:right].detach().clone().requires_grad_()
    height, width = map_.shape[-2:]
    return Patch(values, (top, left), Grid((height, width), stride, center))


def whole_map(map_: Tensor, *, stride: int, center: float) -> Patch:
    """Make a leaf of a whole map (1, c, h, w)."""
    height, width = map_.shape[-2:]
    return cut_patch(map_, ((0, height), (0, width)), stride=stride, center=center)
