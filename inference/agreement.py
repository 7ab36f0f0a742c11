"""Do two pipelines say the same of a picture? Training's parity check and the choice of an engine.

A difference is the largest one of a probability or score, over an item that is computed alone by
the first pipeline and beside itself in a batch by the second.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_iou

from inference.candidates import Candidates
from inference.detect import DetectionPipeline
from inference.pipeline import Pipeline

SAME_BOX_IOU = 0.99
_COMPARED = 20  # best candidates of an image
_MUST_MATCH = 0.95  # share of them: the NMS of proposals may decide a tie otherwise


def difference(own: Pipeline, other: Pipeline, item: Any) -> float:
    """Largest difference of a probability or score; infinite where boxes are missing."""
    if isinstance(own, DetectionPipeline) and isinstance(other, DetectionPipeline):
        return _candidate_difference(own, other, item)
    (expected,) = own.run([item])
    _, answer = other.run([item, item])
    return float(np.abs(expected.probs - answer.probs).max())


def fixed_images(*, is_detector: bool) -> list[NDArray[np.uint8]]:
    """Noise, a black image, and two smooth ones of other shapes; for detectors noise alone.

    On a flat picture all boxes of a detector score the same, and any may be the best.
    """
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    if is_detector:
        return [noise]
    rows, columns = np.mgrid[0:300, 0:200]
    smooth = np.stack([rows % 256, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)
    return [noise, np.zeros((64, 64, 3), np.uint8), smooth, smooth.transpose(1, 0, 2).copy()]


def _candidate_difference(own: DetectionPipeline, other: DetectionPipeline, item: Any) -> float:
    """Of candidates, before NMS: among boxes of one score NMS keeps any."""
    wanted = _boxes_scores_labels(own.candidates([item]), 0)
    got = _boxes_scores_labels(other.candidates([item, item]), 1)
    best = wanted[1].argsort(descending=True)[:_COMPARED]
    best = best[wanted[1][best] > 0]  # what scores nothing may have no place either
    boxes, scores, label_ids = (part[best] for part in wanted)
    if not len(scores):
        return 0.0
    same = (box_iou(boxes, got[0]) >= SAME_BOX_IOU) & (label_ids[:, None] == got[2])
    apart = (scores[:, None] - got[1]).abs().masked_fill(~same, torch.inf)
    closest = apart.amin(dim=1) if len(got[1]) else torch.full_like(scores, torch.inf)
    matched = closest.isfinite()
    is_same = matched.float().mean() >= _MUST_MATCH
    return float(closest[matched].max()) if is_same else float("inf")


def _boxes_scores_labels(candidates: Candidates, image_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """One image's candidates as pairs of box and class: (n, 4), (n,), (n,)."""
    mine = candidates.image_ids == image_id
    scores = candidates.scores[mine].float().cpu()
    boxes = candidates.boxes_xyxy[mine].float().cpu().expand(-1, scores.shape[1], -1)
    label_ids = torch.arange(scores.shape[1]).expand_as(scores)
    return boxes.reshape(-1, 4), scores.flatten(), label_ids.flatten()
