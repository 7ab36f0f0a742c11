"""Learn a few pictures by heart from random weights, and how well that went."""

import cv2
import numpy as np
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import box_iou

from inference.candidates import BoxTargets
from inference.preprocess import normalize
from tests.inference.families.detectors import found
from training.data.synthetic import LABELS, generate_scene

_LABELS = LABELS[:2]
_SCENE, _COUNT = 160, 8


def scenes(side):
    """Canvases (8, 3, side, side) with two objects of two classes each, and their targets."""
    drawn = [_scene(seed, side) for seed in range(_COUNT)]
    pixels = np.stack([pixels for pixels, _ in drawn])
    return torch.from_numpy(normalize(pixels)), [target for _, target in drawn]


def _scene(seed, side):
    labels = [_LABELS[seed % 2], _LABELS[seed // 2 % 2]]
    scene = generate_scene(labels, size_hw=(_SCENE, _SCENE), seed=seed)
    boxes = np.stack([thing.box_xyxy for thing in scene.objects]) * np.float32(side / _SCENE)
    label_ids = [_LABELS.index(thing.label) for thing in scene.objects]
    masks = [_resized(thing.mask.astype(np.uint8), side) for thing in scene.objects]
    target = BoxTargets(
        torch.from_numpy(boxes), torch.tensor(label_ids), torch.from_numpy(np.stack(masks))
    )
    return _resized(scene.image_rgb, side), target


def _resized(pixels, side):
    return cv2.resize(pixels, (side, side), interpolation=cv2.INTER_LINEAR)


def overfit(family, network, canvases, targets, *, steps, learning_rate, batch=2):
    """Train on `batch` images a step, grouped anew in every epoch."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=0.2
    )
    network.train()
    for step in range(steps):
        if step % (_COUNT // batch) == 0:
            groups = torch.randperm(_COUNT).split(batch)
        chosen = groups[step % len(groups)]
        losses = family.losses(network, canvases[chosen], [targets[i] for i in chosen])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def mean_average_precision(family, network, canvases, targets):
    """Mean over the classes at IoU 0.5, of masks where there are some, else of boxes."""
    candidates = family.decode(network.eval()(canvases))
    detections = found(candidates, len(targets))
    overlaps = [
        _overlaps(family, network, candidates, detections[image], target)
        for image, target in enumerate(targets)
    ]
    classes = range(len(_LABELS))
    return np.mean([_average_precision(detections, targets, overlaps, c) for c in classes])


def _overlaps(family, network, candidates, detections, target):
    """IoU (n, objects) of boxes or masks."""
    if family.mask_head is None:
        return box_iou(detections.boxes_xyxy, target.boxes_xyxy)
    rois = candidates.rois_of(detections.rows, detections.label_ids)
    grids = family.mask_head(network, candidates.features, rois, detections.label_ids)
    size_hw = target.masks.shape[-2:]
    pasted = paste_masks_in_image(grids[:, None], detections.boxes_xyxy, size_hw)
    masks, truth = (pasted > 0.5).flatten(1).float(), target.masks.flatten(1).float()
    both = masks @ truth.T
    return both / (masks.sum(dim=1)[:, None] + truth.sum(dim=1) - both)


def _average_precision(detections, targets, overlaps, label):
    """All-point interpolation; an object is found once, by its best detection."""
    hits = []
    for found_, target, overlap in zip(detections, targets, overlaps, strict=True):
        free = target.label_ids == label
        for i in torch.where(found_.label_ids == label)[0]:
            of_free = overlap[i].where(free, -1.0)
            hit = bool(of_free.max() > 0.5)
            free[of_free.argmax()] &= not hit
            hits.append((float(found_.scores[i]), hit))
    correct = np.cumsum([hit for _, hit in sorted(hits, reverse=True)])
    precision = correct / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    recall = correct / sum(int((t.label_ids == label).sum()) for t in targets)
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))
