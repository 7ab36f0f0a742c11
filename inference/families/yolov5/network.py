"""The network: a CSP backbone, a path-aggregating pyramid (arXiv 1803.01534), three heads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from inference.families.yolov5.blocks import C3, Conv, PyramidPooling

STRIDES = (8, 16, 32)
# Widths and heights in canvas pixels, three anchors per stride.
ANCHORS_WH = (
    ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)),
    ((30.0, 61.0), (62.0, 45.0), (59.0, 119.0)),
    ((116.0, 90.0), (156.0, 198.0), (373.0, 326.0)),
)
_BOXES_AT_640 = 10  # that a picture of 640 pixels may hold: the prior of objectness


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many bottlenecks and channels a size has, as shares of those of `large`."""

    depth: float
    width: float

    def repeats(self, count: int) -> int:
        """Bottlenecks of a stage."""
        return max(round(count * self.depth), 1)

    def channels(self, count: int) -> int:
        """Channels of a stage, a multiple of 8."""
        return math.ceil(count * self.width / 8) * 8


SCALINGS = {
    "nano": Scaling(0.33, 0.25),
    "small": Scaling(0.33, 0.50),
    "medium": Scaling(0.67, 0.75),
    "large": Scaling(1.0, 1.0),
    "extra_large": Scaling(1.33, 1.25),
}


class Pyramid(nn.Module):
    """Carries context from coarse maps to fine ones and detail back; P3, P4, P5 keep their shapes.

    channels: those of P3, P4 and P5, each map of half the side of the one before.
    """

    def __init__(self, channels: tuple[int, int, int], *, repeats: int) -> None:
        super().__init__()
        c3, c4, c5 = channels
        self.lateral5 = Conv(c5, c4)
        self.merge4 = C3(2 * c4, c4, repeats=repeats, residual=False)
        self.lateral4 = Conv(c4, c3)
        self.merge3 = C3(2 * c3, c3, repeats=repeats, residual=False)
        self.down3 = Conv(c3, c3, kernel=3, stride=2)
        self.out4 = C3(2 * c3, c4, repeats=repeats, residual=False)
        self.down4 = Conv(c4, c4, kernel=3, stride=2)
        self.out5 = C3(2 * c4, c5, repeats=repeats, residual=False)

    def forward(self, p3: Tensor, p4: Tensor, p5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three maps, each (N, channels, h, w)."""
        lateral5 = self.lateral5(p5)
        lateral4 = self.lateral4(self.merge4(torch.cat((_doubled(lateral5), p4), dim=1)))
        out3 = self.merge3(torch.cat((_doubled(lateral4), p3), dim=1))
        out4 = self.out4(torch.cat((self.down3(out3), lateral4), dim=1))
        return out3, out4, self.out5(torch.cat((self.down4(out4), lateral5), dim=1))


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="nearest")


class YoloV5(nn.Module):
    """The detector of one of the `SCALINGS`, for canvases whose sides are multiples of 32.

    anchors_wh (3, 3, 2), per stride and anchor, in canvas pixels, is part of the state: anchors
    fitted to the data travel with the weights.
    """

    anchors_wh: Tensor

    def __init__(self, *, num_classes: int, model_size: str) -> None:
        super().__init__()
        self.model_size = model_size
        scaling = SCALINGS[model_size]
        c1, c2, c3, c4, c5 = (scaling.channels(count) for count in (64, 128, 256, 512, 1024))
        self.backbone = nn.Sequential(
            Conv(3, c1, kernel=6, stride=2, padding=2),
            Conv(c1, c2, kernel=3, stride=2),
            C3(c2, c2, repeats=scaling.repeats(3), residual=True),
            Conv(c2, c3, kernel=3, stride=2),
            C3(c3, c3, repeats=scaling.repeats(6), residual=True),
            Conv(c3, c4, kernel=3, stride=2),
            C3(c4, c4, repeats=scaling.repeats(9), residual=True),
            Conv(c4, c5, kernel=3, stride=2),
            C3(c5, c5, repeats=scaling.repeats(3), residual=True),
            PyramidPooling(c5),
        )
        self.pyramid = Pyramid((c3, c4, c5), repeats=scaling.repeats(3))
        self.heads = nn.ModuleList(
            _head(channels, num_classes, stride)
            for channels, stride in zip((c3, c4, c5), STRIDES, strict=True)
        )
        self.register_buffer("anchors_wh", torch.tensor(ANCHORS_WH))

    def stages(self, canvases: Tensor) -> list[Tensor]:
        """Maps (N, channels, h, w) of the backbone, one per stride, before it pools the last."""
        x, maps = canvases, []
        for index, block in enumerate(self.backbone[:-1]):
            x = block(x)
            if index in (4, 6, 8):
                maps.append(x)
        return maps

    def of_stages(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Logits (N, 3, h, w, 5 + C) per stride: x, y, w, h, objectness, classes."""
        c3, c4, c5 = maps
        levels = self.pyramid(c3, c4, self.backbone[-1](c5))
        return [_by_anchor(head(x).float()) for head, x in zip(self.heads, levels, strict=True)]

    def raw(self, canvases: Tensor) -> list[Tensor]:
        """Logits as `of_stages` returns them."""
        return self.of_stages(self.stages(canvases))

    def forward(self, canvases: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, boxes, 5 + C): xywh in canvas pixels, then probabilities."""
        return self.decoded(self.raw(canvases))

    def decoded(self, raw: Sequence[Tensor]) -> Tensor:
        """What `forward` returns, from the logits of each stride."""
        levels = zip(raw, self.anchors_wh, STRIDES, strict=True)
        return torch.cat([_decoded(*level) for level in levels], dim=1)


def _head(channels: int, num_classes: int, stride: int) -> nn.Conv2d:
    """A 1×1 convolution whose biases start at the priors (focal loss, arXiv 1708.02002, 3.3)."""
    occupied = _BOXES_AT_640 * (stride / 640) ** 2
    one_class = 1 / (num_classes + 1)  # not 1 / C: a single class would start at certainty
    priors = [0.5] * 4 + [occupied] + [one_class] * num_classes
    head = nn.Conv2d(channels, 3 * len(priors), 1)
    head.bias = nn.Parameter(torch.logit(torch.tensor(priors)).repeat(3))
    return head


def _by_anchor(x: Tensor) -> Tensor:
    """(N, 3·K, h, w) to (N, 3, h, w, K)."""
    count, channels, height, width = x.shape  # `unflatten` would fix h and w in an ONNX graph
    return x.reshape(count, 3, channels // 3, height, width).permute(0, 1, 3, 4, 2)


def _decoded(logits: Tensor, anchors_wh: Tensor, stride: int) -> Tensor:
    """Logits (N, 3, h, w, 5 + C) to (N, 3·h·w, 5 + C)."""
    _, _, height, width, _ = logits.shape
    columns = torch.arange(width, device=logits.device)
    rows = torch.arange(height, device=logits.device)
    cells_xy = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    boxes = boxes_xywh(logits[..., :4], cells_xy, anchors_wh[:, None, None], stride)
    return torch.cat((boxes, logits[..., 4:].sigmoid()), dim=-1).flatten(1, 3)


def boxes_xywh(logits: Tensor, cells_xy: Tensor, anchors_wh: Tensor, stride: int) -> Tensor:
    """Boxes (…, 4) in canvas pixels, centre and size.

    The centre lies up to half a cell outside of its cell, and a side is up to 4 times the anchor's:
    b_xy = (2σ(t_xy) - 0.5 + cell)·stride, b_wh = anchor·(2σ(t_wh))².
    """
    doubled = 2.0 * logits.sigmoid()
    centers = (doubled[..., :2] - 0.5 + cells_xy) * stride
    return torch.cat((centers, anchors_wh * doubled[..., 2:] ** 2), dim=-1)
