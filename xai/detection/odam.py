"""ODAM: which cells of the feature maps raised the score of one detection.

Zhao and Chan, ICLR 2023, "ODAM: Gradient-based Instance-Specific Visual Explanations for Object
Detection": H = ReLU(Σ_c G_c ∘ A_c), where A is the feature map that the detection came from and
G = ∂s/∂A the gradient of its score, element by element.

The gradient taken here is that of the log-odds log(s / (1 - s)): ∂s = s·(1 - s)·∂log-odds, so the
map is the paper's up to a positive factor, but it does not vanish where a score is rounded to 1.
Gradients are computed from the parts of the maps that a detection depends on, which is exact and,
where detections do not see one another, one backward pass for all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.evidence import Evidence, Grid, Patch, Traced


@dataclass(frozen=True, slots=True, eq=False)
class CellMap:
    """How much each cell of a feature map adds to the log-odds, per canvas pixel: (h, w) ≥ 0."""

    values: NDArray[np.float32]
    grid: Grid


def odam(evidence: Evidence, rows: Tensor, label_ids: Tensor) -> Iterator[list[CellMap]]:
    """For each of the candidates `rows` (n,), as `label_ids` (n,), the maps it came from.

    Several maps add up; that they are per pixel keeps a coarse map from outweighing a fine one.
    """
    if not len(rows):
        return
    traced = evidence.trace(rows, label_ids)
    for patches, gradients in zip(traced.patches, _gradients(traced), strict=True):
        yield [_cell_map(*pair) for pair in zip(patches, gradients, strict=True)]


def _gradients(traced: Traced) -> Iterator[list[Tensor]]:
    """Of each detection's log-odds, with respect to its patches."""
    if traced.disjoint:
        leaves = [patch.values for patches in traced.patches for patch in patches]
        flat = iter(torch.autograd.grad(traced.log_odds.sum(), leaves))
        yield from ([next(flat) for _ in patches] for patches in traced.patches)
        return
    for score, patches in zip(traced.log_odds, traced.patches, strict=True):
        leaves = [patch.values for patch in patches]
        yield list(torch.autograd.grad(score, leaves, retain_graph=True, materialize_grads=True))


def _cell_map(patch: Patch, gradient: Tensor) -> CellMap:
    product = (gradient * patch.values.detach()).sum(dim=1)[0].clamp(min=0)
    density = (product / patch.grid.stride**2).cpu().numpy()
    values = np.zeros(patch.grid.size_hw, np.float32)
    top, left = patch.corner_yx
    values[top : top + density.shape[0], left : left + density.shape[1]] = density
    return CellMap(values, patch.grid)
