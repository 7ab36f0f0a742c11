import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import batched_nms

from inference.candidates import BoxTargets
from inference.canvas import letterbox_canvas
from inference.families import detector_named
from tests.inference.geometries import to_canvas
from training.data.synthetic import LABELS, generate_scene

FAMILY = detector_named("yolov5")
SIDE = 128


def scenes(count: int) -> tuple[Tensor, list[BoxTargets]]:
    """Canvases (N, 3, 128, 128) of one to three objects each, and the truth about them."""
    rng = np.random.default_rng(0)
    canvases, targets = [], []
    for seed in range(count):
        labels = list(rng.choice(LABELS, size=rng.integers(1, 4)))
        scene = generate_scene(labels, size_hw=(240, 320), seed=seed)
        canvas = letterbox_canvas(scene.image_rgb, size=SIDE)
        boxes = np.array([item.box_xyxy for item in scene.objects], np.float32)
        label_ids = torch.tensor([LABELS.index(item.label) for item in scene.objects])
        canvases.append(torch.from_numpy(canvas.pixels).permute(2, 0, 1) / 255)
        targets.append(BoxTargets(torch.from_numpy(to_canvas(canvas.geometry, boxes)), label_ids))
    return torch.stack(canvases), targets


def train(network: nn.Module, canvases: Tensor, targets: list[BoxTargets], *, steps: int) -> None:
    """Half of the scenes per step: BatchNorm's averages follow the steps, not the time."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.002, weight_decay=5e-4)
    schedule = OneCycleLR(optimizer, max_lr=0.002, total_steps=steps, pct_start=0.1)
    network.train()
    for _ in range(steps):
        chosen = torch.randperm(len(targets))[: len(targets) // 2]
        parts = FAMILY.losses(network, canvases[chosen], [targets[i] for i in chosen])
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
        schedule.step()
    network.eval()


def predictions(network: nn.Module, canvases: Tensor) -> list[dict[str, Tensor]]:
    with torch.inference_mode():
        candidates = FAMILY.decode([network(canvases)])
    proposals, label_ids = (candidates.scores > 0.01).nonzero(as_tuple=True)
    scores = candidates.scores[proposals, label_ids]
    boxes = candidates.boxes_xyxy[proposals, 0]
    image_ids = candidates.image_ids[proposals]
    kept = batched_nms(boxes, scores, image_ids * len(LABELS) + label_ids, 0.5)
    return [
        {"boxes": boxes[mine], "scores": scores[mine], "labels": label_ids[mine]}
        for mine in (kept[image_ids[kept] == index] for index in range(len(canvases)))
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_small_learns_eight_scenes_from_random_weights():
    torch.manual_seed(0)
    canvases, targets = scenes(8)
    network = FAMILY.build(
        num_classes=len(LABELS), options={"model_size": "small"}, pretrained=False
    )
    train(network, canvases, targets, steps=220)
    metric = MeanAveragePrecision(iou_thresholds=[0.5], backend="faster_coco_eval")
    truth = [{"boxes": target.boxes_xyxy, "labels": target.label_ids} for target in targets]
    metric.update(predictions(network, canvases), truth)
    assert metric.compute()["map"] > 0.95
