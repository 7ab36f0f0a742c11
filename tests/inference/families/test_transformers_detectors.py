import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inference.errors import UsageError
from inference.families import detector_named
from tests.inference.families.transformers_networks import (
    NAMES,
    NOTHING,
    noise,
    targets_of,
    tiny,
)


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def test_the_folder_scan_does_not_import_transformers() -> None:
    code = "import sys, inference.families; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_described_network_is_rebuilt_with_the_same_outputs(name: str) -> None:
    family, network = detector_named(name), tiny(name)
    options = json.loads(json.dumps(family.describe(network)))
    again = family.build(num_classes=3, options=options, pretrained=False)
    assert again.training
    assert shapes(again) == shapes(network)
    again.load_state_dict(network.state_dict())
    with torch.inference_mode():
        expected, got = network.eval()(noise(1)), again.eval()(noise(1))
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
    assert family.describe(again) == options


@pytest.mark.parametrize("name", NAMES)
def test_a_description_tells_no_place_and_no_number_of_classes(name: str) -> None:
    config = detector_named(name).describe(tiny(name))["config"]
    assert not {"_name_or_path", "id2label", "label2id"} & set(config)


@pytest.mark.parametrize("name", NAMES)
def test_weights_hold_every_tensor_once(name: str) -> None:
    pointers = [tensor.data_ptr() for tensor in tiny(name).state_dict().values() if tensor.numel()]
    assert len(set(pointers)) == len(pointers)


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_and_checkpoint_the_architecture_is_small(name: str) -> None:
    family = detector_named(name)
    network = family.build(num_classes=3, options={}, pretrained=False)
    assert sum(parameter.numel() for parameter in network.parameters()) < 21e6
    gains = [m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert gains
    assert all(torch.equal(gain, torch.ones_like(gain)) for gain in gains)
    with torch.inference_mode():
        logits, boxes = network.eval()(noise(1, height=128, width=128))
    assert (logits.shape, boxes.shape) == ((1, 300, 3), (1, 300, 4))


@pytest.mark.parametrize("name", NAMES)
def test_the_heads_are_the_parameters_that_depend_on_the_classes(name: str) -> None:
    family = detector_named(name)
    three, five = shapes(tiny(name)), shapes(tiny(name, num_classes=5))
    assert three.keys() == five.keys()
    changed = {key for key in three if three[key] != five[key]}
    assert changed == {key for key in three if key.startswith(family.heads)}


@pytest.mark.parametrize("name", NAMES)
def test_the_freeze_groups_are_the_whole_backbone(name: str) -> None:
    network = tiny(name)
    groups = [
        network.get_submodule(path)
        for group in detector_named(name).freeze_groups
        for path in group
    ]
    frozen = {id(parameter) for group in groups for parameter in group.parameters()}
    assert frozen == {id(p) for p in network.detector.model.backbone.parameters()}


@pytest.mark.parametrize("name", NAMES)
def test_a_local_checkpoint_gives_its_weights_but_not_its_classes(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    family, saved = detector_named(name), save(tiny(name, num_classes=5).half(), tmp_path)
    options = {"model_checkpoint": str(tmp_path)}
    network = family.build(num_classes=3, options=options, pretrained=True)
    assert network.training
    assert capfd.readouterr() == ("", "")
    assert shapes(network) == shapes(tiny(name))
    for key, tensor in network.state_dict().items():
        assert tensor.dtype in (torch.float32, torch.int64)
        same = (
            torch.equal(tensor, saved[key].to(tensor.dtype))
            if tensor.shape == saved[key].shape
            else False
        )
        assert same != key.startswith(family.heads), key
    prior = -np.log(3)  # the bias of a class that 1 of 4 queries has
    assert network.detector.model.enc_score_head.bias.tolist() == pytest.approx([prior] * 3)
    rebuilt = family.build(num_classes=3, options=family.describe(network), pretrained=False)
    assert {key: t.dtype for key, t in rebuilt.state_dict().items()} == {
        key: t.dtype for key, t in network.state_dict().items()
    }


def save(network: Any, folder: Path) -> dict[str, Tensor]:
    """Save as the library does it, heads under both names; return the state dict of `network`."""
    detector = network.detector
    if detector.config.model_type == "rt_detr":  # has but one name for each
        detector.save_pretrained(folder)
        return dict(network.state_dict())
    detector.class_embed = detector.model.decoder.class_embed
    detector.bbox_embed = detector.model.decoder.bbox_embed
    detector.save_pretrained(folder)
    del detector.class_embed, detector.bbox_embed
    return dict(network.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_a_local_checkpoint_without_pretrained_gives_its_architecture_alone(
    tmp_path: Path, name: str
) -> None:
    family, network = detector_named(name), tiny(name)
    saved = save(network, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    options = {"model_checkpoint": str(tmp_path)}
    fresh = family.build(num_classes=5, options=options, pretrained=False)
    assert shapes(fresh) == shapes(tiny(name, num_classes=5))
    key = "detector.model.enc_output.0.weight"
    assert not torch.equal(fresh.state_dict()[key], saved[key])


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("d_fine", {}, "has the architecture unknown, but d_fine needs its own, for example"),
        ("d_fine", {"model_type": "yolos"}, "has the architecture yolos, but d_fine"),
        ("d_fine", {"model_type": "rt_detr_v2"}, "has the architecture rt_detr_v2, but d_fine"),
        ("rt_detr_v2", {"model_type": "rt_detr"}, "has the architecture rt_detr, but rt_detr_v2"),
    ],
)
@pytest.mark.parametrize("pretrained", [False, True])
def test_a_checkpoint_of_another_architecture_is_refused(
    tmp_path: Path, name: str, config: dict[str, str], message: str, pretrained: bool
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    options = {"model_checkpoint": str(tmp_path)}
    with pytest.raises(UsageError, match=message):
        detector_named(name).build(num_classes=3, options=options, pretrained=pretrained)


def test_a_checkpoint_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    options = {"model_checkpoint": str(tmp_path / "missing")}
    with pytest.raises(UsageError, match="missing is neither a folder nor a model of the hub"):
        detector_named("d_fine").build(num_classes=3, options=options, pretrained=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("anchors", [None, [640, 640]])
def test_boxes_are_pixels_of_the_canvas_whatever_size_a_checkpoint_was_made_for(
    name: str, anchors: list[int] | None
) -> None:
    """Without a correction by the box heads, boxes lie around the middles of the maps' cells."""
    network = tiny(name, anchor_image_size=anchors, eval_size=anchors).eval()
    for parameter in network.detector.model.enc_bbox_head.layers[-1].parameters():
        nn.init.zeros_(parameter)
    with torch.inference_mode():
        _, boxes = network(noise(1, height=128, width=256))
    centers = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
    assert (centers > 0).all()
    assert (centers < torch.tensor([256, 128])).all()
    assert centers[:, 0].max() > 128  # anchors everywhere, also right of the first square
    offsets = (centers - 4) % 4  # middles of cells of 8, 16 and 32 pixels
    assert torch.minimum(offsets, 4 - offsets).max() < 0.01


@pytest.mark.parametrize(
    ("height", "width"), [(100, 128), (128, 100), (32, 32)], ids=["height", "width", "small"]
)
def test_a_canvas_that_the_network_cannot_see_is_refused(height: int, width: int) -> None:
    message = f"image_size must be a multiple of 32.* 30 queries .* got {width} x {height} pixels"
    network = tiny("d_fine")
    with pytest.raises(UsageError, match=message):
        network(noise(1, height=height, width=width))
    with pytest.raises(UsageError, match=message):
        detector_named("d_fine").losses(
            network, noise(1, height=height, width=width), targets_of(NOTHING)
        )


def test_decode_lists_every_query_of_every_image() -> None:
    logits = torch.tensor([[[0.0, 50.0], [-50.0, 0.0]], [[0.0, 0.0], [50.0, -50.0]]])
    boxes = torch.arange(16.0).view(2, 2, 4)
    found = detector_named("d_fine").decode([logits, boxes])
    assert found.image_ids.tolist() == [0, 0, 1, 1]
    assert found.boxes_xyxy.tolist() == boxes.view(4, 1, 4).tolist()
    assert found.scores.tolist() == [
        [0.5, 1.0],
        [pytest.approx(0), 0.5],
        [0.5, 0.5],
        [1.0, pytest.approx(0)],
    ]
    assert found.features == ()


def test_decode_of_no_images_is_empty() -> None:
    found = detector_named("d_fine").decode([torch.zeros(0, 30, 3), torch.zeros(0, 30, 4)])
    assert (found.image_ids.shape, found.boxes_xyxy.shape) == ((0,), (0, 1, 4))
    assert found.scores.shape == (0, 3)
