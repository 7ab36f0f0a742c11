"""RetinaNet against torchvision's own evaluation path, ONNX, and its contract."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import retinanet_resnet50_fpn
from torchvision.models.detection.image_list import ImageList

from inference.families import detector_named
from inference.types import Task
from tests.inference.families.detectors import (
    Found,
    as_published,
    assert_a_batch_gives_what_its_images_give_alone,
    assert_same,
    canvases,
    found,
    put_into_hub_cache,
    settle_batch_norm,
    target,
)
from tests.inference.families.overfitting import mean_average_precision, overfit, scenes
from tests.inference.graphs import onnx_session

FAMILY = detector_named("retinanet_resnet50_fpn")


def built(num_classes=3):
    return FAMILY.build(num_classes=num_classes, options={}, pretrained=False)


@pytest.fixture(scope="module")
def network():
    """A RetinaNet whose random weights give very different scores and boxes."""
    torch.manual_seed(0)
    network = built().requires_grad_(False)
    settle_batch_norm(network, canvases(2))
    network.head.classification_head.cls_logits.weight *= 30
    network.head.classification_head.cls_logits.bias.fill_(-2.0)
    network.head.regression_head.bbox_reg.weight *= 2
    network.detections_per_img = 100
    return network.eval()


def by_torchvision(network, images):
    """Detections of each image, as torchvision finds them on images the size of the canvas."""
    features = list(network.backbone(images).values())
    dense = network.head(features)
    sizes = [tuple(images.shape[-2:])] * len(images)
    anchors = network.anchor_generator(ImageList(images, sizes), features)
    counts = [map_.shape[2] * map_.shape[3] * 9 for map_ in features]
    of_levels = {name: list(tensor.split(counts, dim=1)) for name, tensor in dense.items()}
    return network.postprocess_detections(of_levels, [a.split(counts) for a in anchors], sizes)


@pytest.mark.parametrize("size_hw", [(64, 96), (96, 64)])
def test_detections_are_those_of_torchvision(network, size_hw):
    images = canvases(2, *size_hw)
    got = found(FAMILY.decode(network(images)), 2)
    for ours, theirs in zip(got, by_torchvision(network, images), strict=True):
        assert len(ours.scores) > 20
        theirs = Found(theirs["boxes"], theirs["scores"], theirs["labels"])
        assert_same(ours, theirs, pixels=1e-3, score=1e-5)


def test_a_batch_gives_what_its_images_give_alone(network):
    assert_a_batch_gives_what_its_images_give_alone(FAMILY, network)


def test_outputs_are_shaped_as_promised_and_hold_nothing_below_the_floor(network):
    candidates = FAMILY.decode(network(canvases(2, 64, 96)))
    count = len(candidates.image_ids)
    assert candidates.boxes_xyxy.shape == (count, 1, 4)
    assert candidates.scores.shape == (count, 3)
    assert candidates.image_ids.dtype == torch.int64
    assert candidates.features == ()
    assert candidates.scores.amax(dim=1).min() >= 0.01


def test_no_candidates_is_an_empty_answer(network):
    bias = network.head.classification_head.cls_logits.bias
    before = bias.clone()
    bias.fill_(-100.0)
    candidates = FAMILY.decode(network(canvases(1)))
    bias.copy_(before)
    assert candidates.boxes_xyxy.shape == (0, 1, 4)
    assert candidates.scores.shape == (0, 3)


def test_the_graph_takes_any_batch_and_size(network, tmp_path):
    path = tmp_path / "m.onnx"
    run = onnx_session(
        network, [canvases(2, 64, 64)], path, inputs={"input": (0, 2, 3)}, outputs=FAMILY.outputs
    )
    for count, height, width in ((1, 64, 96), (3, 96, 64)):
        images = canvases(count, height, width, seed=1)
        eager, onnx = FAMILY.decode(network(images)), FAMILY.decode(run(images))
        for ours, theirs in zip(found(onnx, count), found(eager, count), strict=True):
            assert_same(ours, theirs, pixels=1e-3, score=1e-4)


def test_losses_are_those_of_torchvision(network):
    images, boxes = canvases(2, 64, 96), [[10.0, 10.0, 60.0, 60.0], [50.0, 20.0, 90.0, 60.0]]
    got = FAMILY.losses(network, images, [target(boxes, [0, 2]), target([], [])])
    truth = [
        {"boxes": torch.tensor(boxes), "labels": torch.tensor([0, 2])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    features = list(network.backbone(images).values())
    anchors = network.anchor_generator(ImageList(images, [(64, 96)] * 2), features)
    expected = network.compute_loss(truth, network.head(features), anchors)
    torch.testing.assert_close(got, expected)
    assert not network.training


@pytest.mark.parametrize("boxes", [[], [[10.0, 10.0, 60.0, 60.0]]], ids=["no object", "one"])
def test_every_loss_is_finite_and_trains(boxes):
    network = built()
    losses = FAMILY.losses(network, canvases(1, 64, 64), [target(boxes, [1] * len(boxes))])
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert network.backbone.body.conv1.weight.grad.abs().sum() > 0


def test_heads_are_exactly_what_depends_on_the_classes():
    with torch.device("meta"):  # shapes alone
        few, many = built(2).state_dict(), built(5).state_dict()
    assert list(few) == list(many)
    other_shape = {key for key in few if few[key].shape != many[key].shape}
    assert other_shape == {key for key in few if key.startswith(FAMILY.heads)}
    assert FAMILY.tasks == {Task.DETECTION}


def test_coco_weights_give_the_features_that_torchvision_computes(tmp_path, monkeypatch):
    public = retinanet_resnet50_fpn(weights_backbone=None)
    state = as_published(public.state_dict())
    state["backbone.body.bn1.running_var"] *= 1e-4  # an eps of 1e-5 counts
    put_into_hub_cache(tmp_path, monkeypatch, "retinanet_resnet50_fpn_coco-eeacb38b.pth", state)
    network = FAMILY.build(num_classes=3, options={}, pretrained=True).eval()
    theirs = retinanet_resnet50_fpn(weights="COCO_V1").eval()
    image = canvases(1, 64, 64)
    with torch.no_grad():
        ours, expected = network.backbone.body(image), theirs.backbone.body(image)
    for name, map_ in ours.items():
        error = (map_ - expected[name]).abs().max() / expected[name].abs().max()
        assert error < 1e-4
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())
    assert list(network.state_dict()) == list(public.state_dict())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_few_pictures_are_learnt_by_heart():
    torch.manual_seed(0)
    network = built(2)
    images, targets = scenes(128)
    overfit(FAMILY, network, images, targets, steps=240, learning_rate=3e-4)
    assert mean_average_precision(FAMILY, network, images, targets) > 0.95
