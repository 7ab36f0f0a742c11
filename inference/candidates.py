"""What a detector proposes for a batch, before thresholds and NMS choose among it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """M proposals of all images of a batch, in any order.

    image_ids (M,) int64, places in the batch; boxes_xyxy (M, B, 4) float32 in canvas pixels with
    B = 1, or B = C where every class has its own box; scores (M, C) float32 in [0, 1]. features:
    the maps (N, channels, h, w) that the mask head needs, empty for detectors without masks;
    map_ids (M,): which of them are a candidate's, by default those of its image.
    """

    image_ids: Tensor
    boxes_xyxy: Tensor
    scores: Tensor
    features: tuple[Tensor, ...] = ()
    map_ids: Tensor | None = None

    def boxes_of(self, rows: Tensor, label_ids: Tensor) -> Tensor:
        """Boxes (n, 4) of the candidates `rows` (n,) as objects of the classes `label_ids` (n,)."""
        shared = self.boxes_xyxy.shape[1] == 1
        return self.boxes_xyxy[rows, torch.zeros_like(label_ids) if shared else label_ids]

    def rois_of(self, rows: Tensor, label_ids: Tensor) -> Tensor:
        """What a mask head needs to know of them, (n, 5): the place of their maps, their boxes."""
        places = self.image_ids if self.map_ids is None else self.map_ids
        boxes = self.boxes_of(rows, label_ids)
        return torch.cat([places[rows, None].to(boxes), boxes], dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class BoxTargets:
    """The truth about one image of a training batch, in canvas pixels.

    boxes_xyxy (n, 4) float32; label_ids (n,) int64 in 0…C-1; masks (n, H, W) uint8 of 0 and 1 on
    the whole canvas, or None. An image without objects has n = 0.
    """

    boxes_xyxy: Tensor
    label_ids: Tensor
    masks: Tensor | None = None
