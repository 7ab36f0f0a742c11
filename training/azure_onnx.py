"""Azure's form of a detector's graph: a batch of one fixed size, thresholds and NMS inside.

The server does not use it: model.onnx takes any batch and leaves the choice among the candidates to
each request. It is for programs that were written for Azure's graphs.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import paste_masks_in_image

from inference.candidates import Candidates
from inference.detection.suppression import suppress
from inference.errors import UsageError
from inference.families import DetectorFamily, detector_named
from inference.files import write_text_atomically
from inference.model_folder import ModelFolder
from inference.networks import load_network
from inference.settings import DetectionSettings
from training.onnx_export import write_graph


def export_for_azure(folder: ModelFolder, output: Path, *, batch_size: int) -> None:
    """Write `input` (batch_size, 3, H, W) → boxes_i, labels_i, scores_i (, masks_i) per image i.

    Boxes (n, 4) in pixels of the input, labels (n,) indices of labels.json, which is written beside
    the graph, masks (n, 1, H, W) probabilities. H and W are free. Raises UsageError for a model
    whose model.onnx is Azure's form already.
    """
    settings = folder.settings
    if (
        not isinstance(settings, DetectionSettings)
        or "image_ids" not in (family := detector_named(folder.facts.family)).outputs
    ):
        raise UsageError(
            f"{folder.onnx_path} is Azure's form already and takes any batch size; copy it"
        )
    graph = _AzureGraph(load_network(folder), family, settings, batch_size=batch_size)
    parts = ["boxes", "labels", "scores", *(["masks"] if family.mask_head else [])]
    names = [f"{part}_{image}" for image in range(batch_size) for part in parts]
    free = {name: {0: f"objects_{name.rpartition('_')[2]}"} for name in names}
    for name in names:
        if name.startswith("masks"):
            free[name] |= {2: "height", 3: "width"}
    write_graph(
        graph.eval(),
        (torch.rand(batch_size, 3, 256, 320, generator=torch.Generator().manual_seed(0)),),
        output,
        inputs=["input"],
        outputs=names,
        dynamic_axes={"input": {2: "height", 3: "width"}, **free},
    )
    labels = json.dumps(list(folder.facts.labels), ensure_ascii=False)
    write_text_atomically(output.with_name("labels.json"), labels + "\n")


class _AzureGraph(nn.Module):
    def __init__(
        self,
        network: nn.Module,
        family: DetectorFamily,
        settings: DetectionSettings,
        *,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._network = network
        self._family = family
        self._settings = settings
        self._batch_size = batch_size

    def forward(self, canvases: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to boxes, labels, scores and, for segmentation, masks of every image."""
        candidates = self._family.decode(self._network(canvases))
        found: list[Tensor] = []
        for image in range(self._batch_size):
            boxes, labels, scores = self._chosen(candidates, image)
            found += [boxes, labels, scores]
            if self._family.mask_head is not None:
                rois = torch.cat((torch.full_like(boxes[:, :1], image), boxes), dim=1)
                masks = self._family.mask_head(self._network, candidates.features, rois, labels)
                size_hw = (canvases.shape[2], canvases.shape[3])
                found.append(paste_masks_in_image(masks[:, None], boxes, size_hw))
        return tuple(found)

    def _chosen(self, candidates: Candidates, image: int) -> tuple[Tensor, Tensor, Tensor]:
        """What inference.detect.choose does, in operations that a graph can hold."""
        settings = self._settings
        mine = candidates.image_ids == image
        scores = candidates.scores[mine].T  # (C, K)
        boxes = candidates.boxes_xyxy[mine].expand(-1, len(scores), -1).transpose(0, 1)
        scores = scores.masked_fill(scores <= settings.box_score_thresh, -torch.inf)
        kept = suppress(boxes, scores, iou_threshold=settings.nms_iou_thresh)
        most = settings.box_detections_per_img
        padded = nn.functional.pad(kept.flatten(), (0, most), value=-torch.inf)
        values, places = padded.topk(most)
        there = values > -torch.inf
        values, places = values[there], places[there]
        labels = torch.div(places, scores.shape[1], rounding_mode="floor")
        return boxes.flatten(0, 1)[places], labels, values
