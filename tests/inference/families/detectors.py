"""What tests of detectors share: inputs, and candidates made into detections."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from inference.candidates import BoxTargets


@dataclass(frozen=True)
class Found:
    boxes_xyxy: Tensor
    scores: Tensor
    label_ids: Tensor
    rows: Tensor | None = None  # among the candidates, if they come from there


def canvases(count, height=96, width=128, seed=0):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def settle_batch_norm(network, images):
    """Give BatchNorm the statistics of `images`, so that activations keep their size."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the average of what it sees
    with torch.no_grad():
        network.backbone(images)


def found(candidates, count, *, score=0.05, iou=0.5, limit=100):
    """Detections of each of `count` images: threshold, NMS per class, the best `limit`."""
    return [_found(candidates, image, score, iou, limit) for image in range(count)]


def _found(candidates, image, score, iou, limit):
    of_image = candidates.image_ids == image
    rows, labels = torch.where((candidates.scores > score) & of_image[:, None])
    boxes, scores = candidates.boxes_of(rows, labels), candidates.scores[rows, labels]
    keep = batched_nms(boxes, scores, labels, iou)[:limit]
    return Found(boxes[keep], scores[keep], labels[keep], rows[keep])


def assert_same(got, expected, *, pixels, score):
    """The same objects in any order: scores that are almost equal may change places."""
    assert len(got.scores) == len(expected.scores)
    nearest = torch.cdist(_rows(expected), _rows(got)).argmin(dim=1)
    assert nearest.unique().numel() == len(nearest)
    assert torch.equal(got.label_ids[nearest], expected.label_ids)
    torch.testing.assert_close(got.boxes_xyxy[nearest], expected.boxes_xyxy, atol=pixels, rtol=0)
    torch.testing.assert_close(got.scores[nearest], expected.scores, atol=score, rtol=0)


def assert_a_batch_gives_what_its_images_give_alone(family, network):
    images = canvases(3, 64, 96)
    together = found(family.decode(network(images)), 3)
    for image, detections in zip(images, together, strict=True):
        (alone,) = found(family.decode(network(image[None])), 1)
        assert_same(detections, alone, pixels=1e-3, score=1e-4)


def _rows(found):
    return torch.cat([1e4 * found.label_ids[:, None], found.boxes_xyxy], dim=1).double()


def target(boxes, label_ids, size_hw=None):
    """A BoxTargets, with masks that fill the boxes where `size_hw` is given."""
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    masks = None
    if size_hw is not None:
        masks = torch.zeros(len(boxes), *size_hw, dtype=torch.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
            mask[y1:y2, x1:x2] = 1
    return BoxTargets(boxes, torch.tensor(label_ids, dtype=torch.int64), masks)


def as_published(state):
    """Parameters under the names of 2019, without counts of batches, as torchvision's files are."""
    renamed = {_name_of_2019(key): tensor for key, tensor in state.items()}
    return {key: tensor for key, tensor in renamed.items() if "num_batches" not in key}


def _name_of_2019(key):
    key = re.sub(r"(fpn\.(?:inner|layer)_blocks\.\d)\.0", r"\1", key)
    key = key.replace("rpn.head.conv.0.0", "rpn.head.conv")
    key = re.sub(r"mask_head\.(\d)\.0", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}", key)
    return re.sub(r"(_head\.conv)\.(\d)\.0", lambda m: f"{m[1]}.{2 * int(m[2])}", key)


def put_into_hub_cache(tmp_path, monkeypatch, filename, state):
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(state, checkpoints / filename)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
