"""D-RISE: which parts of the canvas a detection needs, from what is found when others are hidden.

Petsiuk et al., CVPR 2021, "Black-box Explanation of Object Detectors via Saliency Maps" (arXiv
2006.03204). It needs no gradients, but a thousand forward passes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate
from torchvision.ops import box_iou

from inference.candidates import Candidates
from xai.paths import Checkpoint, no_checkpoint

GRID = 16  # cells of a mask along each side
KEPT = 0.5  # probability that a cell stays visible


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Detections to be explained: boxes_xyxy (n, 4) in canvas pixels, label_ids (n,), and
    class_scores (n, C) of the candidates that they are."""

    boxes_xyxy: Tensor
    label_ids: Tensor
    class_scores: Tensor


def drise(
    find: Callable[[Tensor], Candidates],
    size_hw: tuple[int, int],
    targets: Targets,
    *,
    n_masks: int,
    batch: int,
    seed: int = 0,
    checkpoint: Checkpoint = no_checkpoint,
) -> Tensor:
    """Mean of random masks, weighted with how well each detection is found under them: (n, H, W).

    find: masks (b, H, W) in [0, 1], by which the canvas is multiplied, to candidates. `checkpoint`
    is called before each batch and may raise. The result is ReLU(Σ (w - mean of w)·mask / (N·p)):
    of the paper's Σ w·mask / (N·p), the mean tells only how often a pixel happened to be visible.
    """
    totals = torch.zeros(len(targets.boxes_xyxy), *size_hw)
    visible = torch.zeros(size_hw)
    weight_sums = torch.zeros(len(totals), 1, 1)
    for masks in _batches(size_hw, n_masks, batch, seed):
        checkpoint()
        weights = similarities(targets, find(masks), images=len(masks)).to(totals)  # (b, n)
        totals += torch.einsum("bn,bhw->nhw", weights, masks)
        visible += masks.sum(dim=0)
        weight_sums += weights.sum(dim=0)[:, None, None]
    totals -= weight_sums / n_masks * visible
    return (totals / (n_masks * KEPT)).clamp(min=0)


def _batches(size_hw: tuple[int, int], n_masks: int, batch: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for begin in range(0, n_masks, batch):
        count = min(batch, n_masks - begin)
        yield torch.stack([random_mask(size_hw, generator) for _ in range(count)])


def random_mask(size_hw: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw a coarse grid of 0 and 1, enlarged bilinearly and shifted by up to a cell: (H, W).

    One after the other, so that a mask does not depend on the size of its batch.
    """
    cell_hw = [-(-side // GRID) for side in size_hw]
    cells = (torch.rand(1, 1, GRID, GRID, generator=generator) < KEPT).float()
    large = interpolate(cells, size=[(GRID + 1) * cell for cell in cell_hw], mode="bilinear")
    top, left = (int(torch.randint(cell, (1,), generator=generator)) for cell in cell_hw)
    return large[0, 0, top : top + size_hw[0], left : left + size_hw[1]]


def similarities(targets: Targets, candidates: Candidates, *, images: int) -> Tensor:
    """How well each of `images` shows each target: (images, n) in [0, 1], 0 where nothing is found.

    The best candidate counts: IoU of the boxes · cosine of the class scores · highest class score,
    which stands for objectness (eq. 4 and 5).
    """
    best = torch.zeros(images, len(targets.boxes_xyxy), device=candidates.scores.device)
    objectness = candidates.scores.amax(dim=1)
    for n, label_id in enumerate(targets.label_ids):
        boxes = candidates.boxes_of(
            torch.arange(len(objectness), device=best.device), label_id.expand(len(objectness))
        )
        overlap = box_iou(targets.boxes_xyxy[n : n + 1], boxes)[0]
        same_class = cosine_similarity(targets.class_scores[n : n + 1], candidates.scores)
        values = overlap * same_class * objectness
        best[:, n].scatter_reduce_(0, candidates.image_ids, values, "amax")
    return best
