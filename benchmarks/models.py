"""Detectors with random weights, for measurements that do not ask what they find."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference.candidates import BoxTargets
from inference.detect import DetectionPipeline
from inference.engine import usable_cores
from inference.engine.torch_engine import TorchEngine
from inference.families import DetectorFamily, detector_named
from inference.model_folder import Preprocessing

LABELS = ("a", "b", "c", "d")
OPTIONS: Mapping[str, Mapping[str, Any]] = {"yolov5": {"model_size": "small"}}


def random_detector(name: str) -> tuple[DetectorFamily, nn.Module]:
    """Return a family and a new network of it, the same in every run."""
    torch.manual_seed(0)
    torch.set_num_threads(usable_cores())
    family = detector_named(name)
    network = family.build(num_classes=len(LABELS), options=OPTIONS.get(name, {}), pretrained=False)
    return family, network


def pipeline_of(family: DetectorFamily, network: nn.Module) -> DetectionPipeline:
    """The way that the server takes, on this machine's device."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    engine = TorchEngine(
        network.to(device).eval(),
        device=device,
        preprocessing=Preprocessing(mean=family.mean, std=family.std),
        mask_head=family.mask_head,
    )
    return DetectionPipeline(engine, family=family, labels=LABELS)


def random_batch(
    family: DetectorFamily, *, images: int, size_hw: tuple[int, int], objects: int = 8
) -> tuple[Tensor, list[BoxTargets]]:
    """Noise with boxes, and masks where the family has them, on canvases of one size."""
    rng = np.random.default_rng(0)
    height, width = size_hw
    canvases = torch.from_numpy(rng.normal(size=(images, 3, *size_hw)).astype(np.float32))
    targets = []
    for _ in range(images):
        corners = rng.uniform(0, 0.6, (objects, 2))
        sizes = rng.uniform(0.1, 0.4, (objects, 2))
        boxes = np.hstack([corners, corners + sizes]) * (width, height, width, height)
        masks = None
        if family.mask_head is not None:
            masks = torch.zeros(objects, height, width, dtype=torch.uint8)
            for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
                mask[y1:y2, x1:x2] = 1
        label_ids = torch.from_numpy(rng.integers(0, len(LABELS), objects))
        targets.append(BoxTargets(torch.from_numpy(boxes.astype(np.float32)), label_ids, masks))
    return canvases, targets
