from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from inference.candidates import BoxTargets, Candidates
from inference.families import detector_named
from tests.inference.families.transformers_networks import (
    NAMES,
    targets_of,
    tiny_config,
)
from training.data.synthetic import generate_scene

LABELS = ("ball", "bottle", "box")
SIZE = 128


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_eight_scenes_are_learnt_by_heart(name: str) -> None:
    """Half of the scenes per step: BatchNorm's averages follow the steps, not the time."""
    steps, rate = 240, 2e-3
    family = detector_named(name)
    canvases, targets = scenes(8)
    torch.manual_seed(0)
    config = {**tiny_config(name, width=64), "num_queries": 100, "num_denoising": 50}
    network = family.build(num_classes=len(LABELS), options={"config": config}, pretrained=False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.1
    )
    for _ in range(steps):
        chosen = torch.randperm(len(targets))[: len(targets) // 2]
        losses = family.losses(network, canvases[chosen], [targets[i] for i in chosen])
        total = torch.stack([*losses.values()]).sum()
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.1)
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        found = family.decode(network.eval()(canvases))
    assert mean_average_precision(found, targets) > 0.95


def scenes(count: int) -> tuple[Tensor, list[BoxTargets]]:
    """Pictures of one to three objects, and what is in them."""
    rng = np.random.default_rng(0)
    drawn = [
        generate_scene(
            [LABELS[i] for i in rng.integers(0, len(LABELS), size=rng.integers(1, 4))],
            size_hw=(SIZE, SIZE),
            seed=seed,
        )
        for seed in range(count)
    ]
    canvases = torch.from_numpy(np.stack([scene.image_rgb for scene in drawn])).permute(0, 3, 1, 2)
    return canvases / 255, targets_of(
        *(
            (
                [thing.box_xyxy.tolist() for thing in scene.objects],
                [LABELS.index(thing.label) for thing in scene.objects],
            )
            for scene in drawn
        )
    )


def mean_average_precision(found: Candidates, targets: Sequence[BoxTargets]) -> float:
    """The area under precision over recall at an IoU of 0.5, averaged over classes."""
    return float(np.mean([average_precision(found, targets, i) for i in range(len(LABELS))]))


def average_precision(found: Candidates, targets: Sequence[BoxTargets], label: int) -> float:
    left = [target.boxes_xyxy[target.label_ids == label] for target in targets]
    count = sum(len(boxes) for boxes in left)
    hits = []
    for candidate in found.scores[:, label].argsort(descending=True).tolist():
        image = int(found.image_ids[candidate])
        overlaps = box_iou(found.boxes_xyxy[candidate], left[image])[0].tolist()
        hits.append(max(overlaps, default=0.0) >= 0.5)
        if hits[-1]:
            rest = [i for i in range(len(overlaps)) if i != int(np.argmax(overlaps))]
            left[image] = left[image][rest]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[np.array(hits)].sum() / count)
