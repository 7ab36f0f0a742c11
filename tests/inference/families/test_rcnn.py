"""Faster and Mask R-CNN against torchvision's own evaluation path, ONNX, and their contract."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

from inference.families import FAMILIES, detector_named
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

FASTER = detector_named("fasterrcnn_resnet18_fpn")
MASK = detector_named("maskrcnn_resnet18_fpn")


def built(family, num_classes=3):
    return family.build(num_classes=num_classes, options={}, pretrained=False)


@pytest.fixture(scope="module")
def network():
    """A Mask R-CNN with narrow heads whose random weights give very different scores and boxes."""
    torch.manual_seed(0)
    network = built(MASK).requires_grad_(False)
    heads = network.roi_heads
    heads.box_head, heads.box_predictor = TwoMLPHead(256 * 7 * 7, 64), FastRCNNPredictor(64, 4)
    heads.mask_head = MaskRCNNHeads(256, (32,), 1)
    heads.mask_predictor = MaskRCNNPredictor(32, 32, 4)
    settle_batch_norm(network, canvases(2))
    for layer, factor in (
        (network.rpn.head.cls_logits, 20),
        (network.rpn.head.bbox_pred, 2),
        (heads.box_predictor.cls_score, 10),
        (heads.mask_predictor.mask_fcn_logits, 3),
    ):
        layer.weight.data *= factor
    return network.eval().requires_grad_(False)


def by_torchvision(network, images):
    """Per image boxes, labels, scores and masks (n, 1, 28, 28), each the size of the canvas."""
    sizes = [tuple(images.shape[-2:])] * len(images)
    features = network.backbone(images)
    proposals, _ = network.rpn(ImageList(images, sizes), features)
    return network.roi_heads(features, proposals, sizes)[0]


def rois_of(detections):
    ids = [torch.full((len(d.boxes_xyxy), 1), float(i)) for i, d in enumerate(detections)]
    return torch.cat([torch.cat(ids), torch.cat([d.boxes_xyxy for d in detections])], dim=1)


def labels_of(detections):
    return torch.cat([d.label_ids for d in detections])


@pytest.mark.parametrize("size_hw", [(64, 96), (96, 64)])
def test_detections_are_those_of_torchvision(network, size_hw):
    images = canvases(2, *size_hw)
    candidates = MASK.decode(network(images))
    got = found(candidates, 2)
    expected = by_torchvision(network, images)
    for ours, theirs in zip(got, expected, strict=True):
        assert len(ours.scores) > 20
        theirs = Found(theirs["boxes"], theirs["scores"], theirs["labels"] - 1)
        assert_same(ours, theirs, pixels=1e-3, score=1e-5)


def test_masks_are_those_of_torchvision(network):
    images = canvases(2, 64, 96)
    expected = by_torchvision(network, images)
    theirs = [Found(e["boxes"], e["scores"], e["labels"] - 1) for e in expected]
    features = MASK.decode(network(images)).features
    masks = MASK.mask_head(network, features, rois_of(theirs), labels_of(theirs))
    truth = torch.cat([e["masks"][:, 0] for e in expected])
    torch.testing.assert_close(masks, truth, atol=1e-4, rtol=0)
    assert masks.std() > 0.05


def test_a_batch_gives_what_its_images_give_alone(network):
    assert_a_batch_gives_what_its_images_give_alone(MASK, network)


def test_outputs_are_named_and_shaped_as_promised(network):
    outputs = network(canvases(2, 64, 96))
    assert len(outputs) == len(MASK.outputs) == 7
    candidates = MASK.decode(outputs)
    count = len(candidates.image_ids)
    assert candidates.boxes_xyxy.shape == (count, 3, 4)
    assert candidates.scores.shape == (count, 3)
    assert candidates.image_ids.dtype == torch.int64
    assert [tuple(m.shape) for m in candidates.features] == [
        (2, 256, 64 // stride, 96 // stride) for stride in (4, 8, 16, 32)
    ]


def test_the_graph_takes_any_batch_and_size(network, tmp_path):
    run = onnx_session(
        network,
        [canvases(2, 64, 64)],
        tmp_path / "m.onnx",
        inputs={"input": (0, 2, 3)},
        outputs=MASK.outputs,
    )
    for count, height, width in ((1, 64, 96), (3, 96, 64)):
        images = canvases(count, height, width, seed=1)
        eager, onnx = MASK.decode(network(images)), MASK.decode(run(images))
        for ours, theirs in zip(found(onnx, count), found(eager, count), strict=True):
            assert_same(ours, theirs, pixels=1e-3, score=1e-4)
        for map_, expected in zip(onnx.features, eager.features, strict=True):
            torch.testing.assert_close(map_, expected, atol=1e-3, rtol=1e-3)


class MaskHead(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *tensors):
        *features, rois, label_ids = tensors
        return MASK.mask_head(self.network, features, rois, label_ids)


def test_the_mask_head_is_a_graph_of_its_own(network, tmp_path):
    rois = torch.tensor([[0, 3, 5, 60, 80], [1, 0, 0, 95, 63], [1, 10, 10, 20, 20.0]])
    label_ids = torch.tensor([0, 2, 1])
    inputs = dict.fromkeys(MASK.outputs[3:], (0, 2, 3)) | {"rois": (0,), "label_ids": (0,)}
    example = [*MASK.decode(network(canvases(2, 64, 96))).features, rois, label_ids]
    head = MaskHead(network)
    run = onnx_session(head, example, tmp_path / "h.onnx", inputs=inputs, outputs=["masks"])
    for count, height, width, kept in ((1, 64, 64, 1), (3, 96, 128, 3), (2, 64, 64, 0)):
        features = MASK.decode(network(canvases(count, height, width))).features
        arguments = (*features, rois[:kept], label_ids[:kept])
        torch.testing.assert_close(run(*arguments)[0], head(*arguments), atol=1e-4, rtol=0)


def test_losses_are_those_of_torchvision_with_labels_after_the_background():
    network, images = built(FASTER), canvases(2, 64, 96)
    network.roi_heads.fg_bg_sampler.batch_size_per_image = 16  # saves time
    boxes = [[10.0, 10.0, 60.0, 60.0], [50.0, 20.0, 90.0, 60.0]]
    torch.manual_seed(1)  # which proposals are sampled
    got = FASTER.losses(network, images, [target(boxes, [0, 2]), target([], [])])
    torch.manual_seed(1)
    sizes = [(64, 96)] * 2
    truth = [
        {"boxes": torch.tensor(boxes), "labels": torch.tensor([1, 3])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    features = network.backbone(images)
    proposals, of_rpn = network.rpn(ImageList(images, sizes), features, truth)
    _, of_heads = network.roi_heads(features, proposals, sizes, truth)
    torch.testing.assert_close(got, {**of_rpn, **of_heads})


@pytest.mark.parametrize("boxes", [[], [[10.0, 10.0, 60.0, 60.0]]], ids=["no object", "one"])
def test_every_loss_is_finite_and_trains(boxes):
    network = built(MASK)
    network.roi_heads.fg_bg_sampler.batch_size_per_image = 16  # saves time
    truth = target(boxes, [1] * len(boxes), (64, 96))
    losses = MASK.losses(network, canvases(1, 64, 96), [truth])
    assert len(losses) == 5
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert network.backbone.body.conv1.weight.grad.abs().sum() > 0


def test_a_validation_loss_leaves_the_network_in_evaluation_mode():
    network = built(FASTER).eval().requires_grad_(False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    losses = FASTER.losses(network, canvases(1, 64, 64), [target([[9.0, 9.0, 50.0, 60.0]], [0])])
    assert all(loss.isfinite() for loss in losses.values())
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_every_depth_is_registered_for_its_task(depth):
    faster = FAMILIES[f"fasterrcnn_resnet{depth}_fpn"]
    mask = FAMILIES[f"maskrcnn_resnet{depth}_fpn"]
    assert faster.tasks == {Task.DETECTION}
    assert mask.tasks == {Task.SEGMENTATION}
    assert faster.mask_head is None


@pytest.mark.parametrize("family", [FASTER, MASK], ids=lambda family: family.name)
def test_heads_are_exactly_what_depends_on_the_classes(family):
    with torch.device("meta"):  # shapes alone
        few, many = built(family, 2).state_dict(), built(family, 5).state_dict()
    assert list(few) == list(many)
    other_shape = {key for key in few if few[key].shape != many[key].shape}
    assert other_shape == {key for key in few if key.startswith(family.heads)}


def test_freeze_groups_cover_the_backbone_and_random_weights_train_whole():
    with torch.device("meta"):
        network = built(FASTER)
    assert all(parameter.requires_grad for parameter in network.parameters())
    names = [name for group in FASTER.freeze_groups for name in group]
    frozen = {f"{n}.{key}" for n in names for key, _ in network.get_submodule(n).named_parameters()}
    body = {key for key, _ in network.named_parameters() if key.startswith("backbone.body.")}
    assert frozen == body


def test_imagenet_weights_start_a_backbone_and_its_batch_norm_is_frozen(tmp_path, monkeypatch):
    public = resnet18()
    put_into_hub_cache(tmp_path, monkeypatch, "resnet18-f37072fd.pth", public.state_dict())
    network = FASTER.build(num_classes=3, options={}, pretrained=True)
    body = network.backbone.body
    assert torch.equal(body.layer4[1].conv2.weight, public.layer4[1].conv2.weight)
    assert torch.equal(body.bn1.running_var, public.bn1.running_var)
    frozen = {key for key, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {
        f"{name}.{key}"
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for key in ("weight", "bias")
    }
    with torch.device("meta"):
        assert list(network.state_dict()) == list(built(FASTER).state_dict())


def test_coco_weights_give_the_features_that_torchvision_computes(tmp_path, monkeypatch):
    family = detector_named("fasterrcnn_resnet50_fpn")
    public = fasterrcnn_resnet50_fpn(weights_backbone=None)
    state = as_published(public.state_dict())
    state["backbone.body.bn1.running_var"] *= 1e-4  # an eps of 1e-5 counts
    put_into_hub_cache(tmp_path, monkeypatch, "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", state)
    network = family.build(num_classes=3, options={}, pretrained=True).eval()
    assert network.roi_heads.box_predictor.cls_score.weight.shape == (4, 1024)
    theirs = fasterrcnn_resnet50_fpn(weights="COCO_V1").eval()
    image = canvases(1, 64, 64)
    with torch.no_grad():
        ours, expected = network.backbone.body(image), theirs.backbone.body(image)
    for name, map_ in ours.items():
        error = (map_ - expected[name]).abs().max() / expected[name].abs().max()
        assert error < 1e-4


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", [FASTER, MASK], ids=lambda family: family.name)
def test_a_few_pictures_are_learnt_by_heart(family):
    torch.manual_seed(0)
    network = built(family, 2)
    # Boxes that the heads see of each image, 512 else: most of the time goes there on a CPU.
    network.roi_heads.fg_bg_sampler.batch_size_per_image = 32
    images, targets = scenes(128)
    overfit(family, network, images, targets, steps=130, learning_rate=5e-4)
    assert mean_average_precision(family, network, images, targets) > 0.95
