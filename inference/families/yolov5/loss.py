"""Which predictions answer for which boxes, and the three losses that follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot
from torchvision.ops import box_convert, complete_box_iou_loss

from inference.candidates import BoxTargets
from inference.families.yolov5.network import STRIDES, boxes_xywh

MAX_RATIO = 4.0  # of a box's sides to an anchor's; what (2σ)² can reach
_BOX_GAIN, _OBJECTNESS_GAIN, _CLASS_GAIN = 0.05, 1.0, 0.5
_LEVEL_WEIGHTS = (4.0, 1.0, 0.4)  # the fine maps have more cells, so each counts less in the mean
_SMALLEST_PX = 0.01
_NEIGHBOURS_XY = ((0, 0), (-1, 0), (0, -1), (1, 0), (0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """All boxes of a batch: image_ids and label_ids (M,), xywh (M, 4) in canvas pixels."""

    image_ids: Tensor
    label_ids: Tensor
    xywh: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """The T predictions of one level that answer for a box.

    box_ids, anchor_ids (T,); cells_xy (T, 2) column and row. One box has several, or none.
    """

    box_ids: Tensor
    anchor_ids: Tensor
    cells_xy: Tensor


def losses(network: Any, canvases: Tensor, targets: Sequence[BoxTargets]) -> dict[str, Tensor]:
    """Return the three losses of a YoloV5 in training mode.

    Each level's losses are means over its predictions. Times the batch size, as in the published
    configuration, they are gradients per batch rather than per image, which is what its learning
    rates are for. The gain of classes grows with their number, that of objectness with the canvas.
    """
    boxes = _gathered(targets)
    maps = network.raw(canvases)
    levels = [
        _level_losses(logits, boxes, anchors_wh, stride)
        for logits, anchors_wh, stride in zip(maps, network.anchors_wh, STRIDES, strict=True)
    ]
    box, objectness, classes = (torch.stack(parts) for parts in zip(*levels, strict=True))
    count, _, height, width = canvases.shape
    num_classes = maps[0].shape[-1] - 5
    weights = objectness.new_tensor(_LEVEL_WEIGHTS) * (height * width / 640**2)
    return {
        "loss_box": _BOX_GAIN * count * box.sum(),
        "loss_objectness": _OBJECTNESS_GAIN * count * (weights * objectness).sum(),
        "loss_classes": _CLASS_GAIN * num_classes / 80 * count * classes.sum(),
    }


def _gathered(targets: Sequence[BoxTargets]) -> Boxes:
    counts = torch.tensor([len(target.label_ids) for target in targets])
    label_ids = torch.cat([target.label_ids for target in targets])
    boxes_xyxy = torch.cat([target.boxes_xyxy for target in targets])
    image_ids = torch.repeat_interleave(counts).to(label_ids.device)
    return Boxes(image_ids, label_ids, box_convert(boxes_xyxy, "xyxy", "cxcywh"))


def _level_losses(
    logits: Tensor, boxes: Boxes, anchors_wh: Tensor, stride: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Box, objectness and class loss of one map of logits (N, 3, h, w, 5 + C)."""
    height, width = logits.shape[2:4]
    chosen = assign(boxes.xywh, anchors_wh, stride, size_hw=(height, width))
    columns, rows = chosen.cells_xy.unbind(1)
    place = boxes.image_ids[chosen.box_ids], chosen.anchor_ids, rows, columns
    answers = logits[place]  # (T, 5 + C)
    predicted = boxes_xywh(answers[:, :4], chosen.cells_xy, anchors_wh[chosen.anchor_ids], stride)
    box_losses = _ciou_loss(predicted, boxes.xywh[chosen.box_ids])
    wanted = one_hot(boxes.label_ids[chosen.box_ids], answers.shape[1] - 5).float()
    class_losses = binary_cross_entropy_with_logits(answers[:, 5:], wanted, reduction="none")
    objectness = logits[..., 4]
    quality = _best_quality(objectness, place, 1.0 - box_losses.detach())
    return (
        _mean(box_losses),
        binary_cross_entropy_with_logits(objectness, quality),
        _mean(class_losses),
    )


def assign(
    boxes_xywh: Tensor, anchors_wh: Tensor, stride: int, *, size_hw: tuple[int, int]
) -> Assignment:
    """Give boxes (M, 4) to anchors (A, 2) and cells of one map.

    An anchor takes a box when no side is 4 times the other's. The box goes to the cell that holds
    its centre and to those beside, above and below that are nearest and can reach the centre.
    """
    fits = sides_ratio(boxes_xywh[:, 2:], anchors_wh) < MAX_RATIO  # (M, A)
    centers_xy = boxes_xywh[:, :2] / stride
    neighbours = torch.tensor(_NEIGHBOURS_XY, device=boxes_xywh.device)
    cells_xy = centers_xy.floor().long() + neighbours[:, None]  # (5, M, 2)
    offsets = centers_xy - cells_xy
    size_wh = cells_xy.new_tensor(size_hw[::-1])
    inside = (cells_xy >= 0) & (cells_xy < size_wh)
    reached = (inside & (offsets >= -0.5) & (offsets < 1.5)).all(dim=-1)  # (5, M)
    neighbour_ids, box_ids, anchor_ids = (reached[:, :, None] & fits).nonzero(as_tuple=True)
    return Assignment(box_ids, anchor_ids, cells_xy[neighbour_ids, box_ids])


def sides_ratio(sizes_wh: Tensor, anchors_wh: Tensor) -> Tensor:
    """Return how much larger a side is than the other's, at worst: (M, 2), (A, 2) to (M, A)."""
    ratios = sizes_wh[:, None] / anchors_wh
    return torch.maximum(ratios, 1.0 / ratios).amax(dim=-1)


def _ciou_loss(predicted_xywh: Tensor, true_xywh: Tensor) -> Tensor:
    """1 - CIoU (arXiv 1911.08287, eq. 9–12) of pairs of boxes (T, 4)."""
    # A side that rounds to nothing would divide by zero, and one NaN ends a training.
    centers_xy, sizes_wh = predicted_xywh.split(2, dim=1)
    predicted_xywh = torch.cat((centers_xy, sizes_wh.clamp(min=_SMALLEST_PX)), dim=1)
    predicted, true = (box_convert(b, "cxcywh", "xyxy") for b in (predicted_xywh, true_xywh))
    return complete_box_iou_loss(predicted, true)


def _best_quality(objectness: Tensor, place: tuple[Tensor, ...], ciou: Tensor) -> Tensor:
    """Return the objectness that is wanted (N, 3, h, w): 0, or the best CIoU of what is there."""
    index = torch.zeros_like(objectness, dtype=torch.long)
    flat = torch.arange(index.numel(), device=index.device).view_as(index)[place]
    quality = torch.zeros_like(objectness).flatten()
    return quality.scatter_reduce(0, flat, ciou, "amax").view_as(objectness)


def _mean(values: Tensor) -> Tensor:
    """Mean, and 0 (with a gradient) where there are none."""
    return values.sum() / max(1, values.numel())
