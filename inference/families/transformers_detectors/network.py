"""The library's detectors in our terms: boxes in canvas pixels, candidates, named losses."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert

from inference.candidates import BoxTargets, Candidates
from inference.errors import UsageError
from inference.evidence import Evidence, Traced, whole_map

OUTPUTS = ("logits", "boxes")


class TransformersDetector(nn.Module):
    """A detector of the library, under the name `detector`.

    Canvases may have any sides that are multiples of the coarsest stride, in an ONNX graph too.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector: Any = detector
        # Second names of what the decoder holds: a weights file takes every tensor once.
        for name in ("class_embed", "bbox_embed"):
            if hasattr(self.detector, name):
                delattr(self.detector, name)

    def forward(self, canvases: Tensor) -> tuple[Tensor, Tensor]:
        """Canvases (N, 3, H, W) to logits (N, Q, C) and boxes (N, Q, 4), xyxy in canvas pixels."""
        _check_size(canvases, self.detector.config)
        found = self.detector(pixel_values=canvases)
        return found.logits, on_canvas(found.pred_boxes, canvases)


def on_canvas(boxes_cxcywh: Tensor, canvases: Tensor) -> Tensor:
    """Corners in pixels, from shares of the canvas."""
    height, width = canvases.shape[-2:]
    x1, y1, x2, y2 = box_convert(boxes_cxcywh.float(), "cxcywh", "xyxy").unbind(-1)
    return torch.stack([x1 * width, y1 * height, x2 * width, y2 * height], -1)


def read_evidence(network: Any, canvases: Tensor) -> Evidence:
    """Read the encoder's maps: every query of the decoder looks at all of them."""
    detector = network.detector
    _check_size(canvases, detector.config)
    with torch.no_grad():
        maps = _encoded(detector.model, canvases)
    strides = detector.config.feat_strides
    patches = [
        whole_map(map_, stride=stride, center=0.5)
        for map_, stride in zip(maps, strides, strict=True)
    ]
    values = [patch.values for patch in patches]
    with torch.enable_grad():
        # inputs_embeds only tells that there is no image
        found = detector(None, inputs_embeds=values[0], encoder_outputs=(values,))

    @torch.enable_grad()
    def trace(rows: Tensor, label_ids: Tensor) -> Traced:
        return Traced(found.logits[0, rows, label_ids].float(), [patches] * len(rows), False)

    outputs = found.logits.detach(), on_canvas(found.pred_boxes.detach(), canvases)
    return Evidence(decode(outputs), trace)


def _encoded(model: Any, canvases: Tensor) -> Sequence[Tensor]:
    mask = torch.ones_like(canvases[:, 0])
    features = model.backbone(canvases, mask)
    projected = [
        project(map_) for project, (map_, _) in zip(model.encoder_input_proj, features, strict=True)
    ]
    encoded: Sequence[Tensor] = model.encoder(projected).last_hidden_state
    return encoded


def _check_size(canvases: Tensor, config: Any) -> None:
    height, width = (int(side) for side in canvases.shape[-2:])
    coarsest = max(config.feat_strides)
    places = sum((height // stride) * (width // stride) for stride in config.feat_strides)
    if height % coarsest or width % coarsest or places < config.num_queries:
        raise UsageError(
            f"image_size must be a multiple of {coarsest}, and large enough for the "
            f"{config.num_queries} queries of this {config.model_type}, got {width} x {height} "
            f"pixels with places for {places}"
        )


def decode(outputs: Sequence[Tensor]) -> Candidates:
    """Every query is a candidate; the score of each class is its sigmoid."""
    logits, boxes_xyxy = outputs
    images, queries = logits.shape[:2]
    image_ids = torch.arange(images, device=logits.device).repeat_interleave(queries)
    scores = logits.float().sigmoid().flatten(0, 1)
    return Candidates(image_ids, boxes_xyxy.flatten(0, 1)[:, None], scores)


def losses(network: Any, canvases: Tensor, targets: Sequence[BoxTargets]) -> dict[str, Tensor]:
    """Sums, by kind, of the library's weighted losses of all decoder layers and the encoder.

    `loss_vfl`, `loss_bbox` and `loss_giou`, of D-FINE also `loss_fgl` and `loss_ddf`. In training
    mode those of denoising queries are among them; in evaluation mode only what it computes then.
    """
    _check_size(canvases, network.detector.config)
    labels = [labels_of(target, canvases) for target in targets]
    totals: dict[str, Tensor] = defaultdict(lambda: canvases.new_zeros(()))
    for name, loss in network.detector(pixel_values=canvases, labels=labels).loss_dict.items():
        kind = "_".join(name.split("_")[:2])  # of loss_giou_aux_0 or loss_giou_dn_1
        totals[kind] = totals[kind] + loss
    return dict(totals)


def labels_of(target: BoxTargets, canvases: Tensor) -> dict[str, Tensor]:
    """Boxes as shares of the canvas, by center and size."""
    height, width = canvases.shape[-2:]
    sides = target.boxes_xyxy.new_tensor([width, height, width, height])
    boxes_cxcywh = box_convert(target.boxes_xyxy / sides, "xyxy", "cxcywh")
    return {"class_labels": target.label_ids, "boxes": boxes_cxcywh}
