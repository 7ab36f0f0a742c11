"""Which of the boxes that overlap is kept: within one view, and between the tiles of an image."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms

from inference.types import Detections


def merge_tiles(
    parts: Sequence[Detections], *, iou_threshold: float, max_detections: int
) -> Detections:
    """Join what was found in an image and its tiles, at least one part, in pixels of the image.

    Of boxes of one class that overlap by more than `iou_threshold` the one of the highest score
    stays, at equal scores that of the earlier part.
    """
    filled = [part for part in parts if len(part)]  # an empty part's masks may have any side
    if not filled:
        return parts[0]
    found = _concatenated(filled)
    kept = suppress(
        torch.from_numpy(found.boxes_xyxy),
        torch.from_numpy(found.scores),
        torch.from_numpy(found.label_ids),
        iou_threshold=iou_threshold,
    )
    return found[kept[:max_detections].numpy()]


def _concatenated(parts: Sequence[Detections]) -> Detections:
    masks = [part.masks for part in parts if part.masks is not None]
    ids = [part.ids for part in parts if part.ids is not None]
    return Detections(
        np.concatenate([part.boxes_xyxy for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.label_ids for part in parts]),
        np.concatenate(masks) if masks else None,
        np.concatenate(ids) if ids else None,
    )


def suppress(
    boxes_xyxy: Tensor, scores: Tensor, label_ids: Tensor, *, iou_threshold: float
) -> Tensor:
    """Indices (K,) int64 that greedy NMS keeps within each class, by falling score.

    boxes_xyxy (N, 4), scores (N,), label_ids (N,), on any one device. Equal scores keep their
    order.
    """
    if not len(scores):
        return torch.empty(0, dtype=torch.int64, device=scores.device)
    boxes = boxes_xyxy.double()
    boxes = boxes - boxes.min()  # torchvision keeps classes apart only where no corner is negative
    kept, _ = batched_nms(boxes, scores.double(), label_ids, iou_threshold).sort()
    return kept[scores[kept].argsort(descending=True, stable=True)]
