"""Non-maximum suppression of a whole batch, in PyTorch and as one node of an ONNX graph."""

from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms

_LOWEST = torch.finfo(torch.float32).min  # scores of -inf are no boxes


def suppress(boxes_xyxy: Tensor, scores: Tensor, *, iou_threshold: float) -> Tensor:
    """Scores (B, K) float32 in which -inf stands for every box that a better one suppresses.

    boxes_xyxy (B, K, 4); rows do not touch one another. A score of -inf marks a place without box.
    """
    triples = _Survivors.apply(boxes_xyxy, scores[:, None], iou_threshold)
    kept = triples[:, 0], triples[:, 2]
    return torch.full_like(scores, -torch.inf).index_put(kept, scores[kept])


class _Survivors(torch.autograd.Function):
    """ONNX's NonMaxSuppression: boxes (B, K, 4), scores (B, 1, K) to (row, 0, box) (S, 3) int64."""

    @staticmethod
    def forward(ctx: Any, boxes_xyxy: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
        rows = zip(boxes_xyxy, scores[:, 0], strict=True)
        kept = [_survivors_of_row(*row, iou_threshold) for row in rows]
        return torch.cat([_as_triples(row, index) for row, index in enumerate(kept)])

    @staticmethod
    def symbolic(graph: Any, boxes_xyxy: Any, scores: Any, iou_threshold: float) -> Any:
        limits = (
            torch.tensor([torch.iinfo(torch.int64).max]),
            torch.tensor([iou_threshold], dtype=torch.float32),
            torch.tensor([_LOWEST], dtype=torch.float32),
        )
        constants = [graph.op("Constant", value_t=limit) for limit in limits]
        return graph.op("NonMaxSuppression", boxes_xyxy, scores, *constants)


def _survivors_of_row(boxes_xyxy: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    present = torch.where(scores > _LOWEST)[0]
    return present[nms(boxes_xyxy[present], scores[present], iou_threshold)]


def _as_triples(row: int, index: Tensor) -> Tensor:
    return torch.stack((torch.full_like(index, row), torch.zeros_like(index), index), dim=1)
