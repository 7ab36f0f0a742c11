import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
import transformers

from inference.errors import UsageError
from inference.families import DetectorFamily, detector_named, family_for
from inference.types import Task
from tests.inference.families.transformers_networks import (
    QUERY_NAMES,
    SIZE,
    TWO,
    noise,
    side_of,
    targets_of,
    tiny,
)
from training.onnx_export import export_detector


def canvases(name: str, count: int = 2) -> torch.Tensor:
    return noise(count, height=side_of(name), width=side_of(name))


@pytest.mark.parametrize("name", QUERY_NAMES)
def test_a_described_network_is_rebuilt_and_its_weights_name_every_tensor_once(name: str) -> None:
    family, network = detector_named(name), tiny(name).eval()
    options = json.loads(json.dumps(family.describe(network)))
    again = family.build(num_classes=3, options=options, pretrained=False).eval()
    state = network.state_dict()
    pointers = [tensor.data_ptr() for tensor in state.values() if tensor.numel()]
    assert len(set(pointers)) == len(pointers)
    again.load_state_dict(state)
    with torch.inference_mode():
        pairs = zip(network(canvases(name)), again(canvases(name)), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("name", QUERY_NAMES)
def test_boxes_and_scores_are_those_of_the_librarys_own_decoding(name: str) -> None:
    network, family = tiny(name).eval(), detector_named(name)
    side = side_of(name)
    kind = {"table-transformer": "Detr", "detr": "Detr", "conditional_detr": "ConditionalDetr"}
    processor = getattr(transformers, f"{kind.get(name, 'DeformableDetr')}ImageProcessor")()
    with torch.inference_mode():
        found = family.decode(network(canvases(name, 1)))
        outputs = network.detector(pixel_values=canvases(name, 1))
        (expected,) = processor.post_process_object_detection(
            outputs, threshold=0.0, target_sizes=[(side, side)]
        )
    row, place = int(found.scores.amax(dim=1).argmax()), int(expected["scores"].argmax())
    torch.testing.assert_close(found.scores.max(), expected["scores"][place])
    torch.testing.assert_close(found.boxes_xyxy[row, 0], expected["boxes"][place])
    assert int(found.scores[row].argmax()) == int(expected["labels"][place])


@pytest.mark.parametrize("name", QUERY_NAMES)
def test_losses_are_finite_and_teach_the_heads(name: str) -> None:
    network, family = tiny(name), detector_named(name)
    nothing: Any = ([], [])
    losses = family.losses(network, canvases(name), targets_of(TWO, nothing))
    torch.stack([*losses.values()]).sum().backward()
    learning = [n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()]
    assert any(name.startswith(family.heads) for name in learning)


@pytest.mark.parametrize("name", ["detr", "conditional_detr"])
def test_onnx_gives_what_the_network_gives_for_any_batch_and_size(
    name: str, tmp_path: Path
) -> None:
    network, family = tiny(name).eval(), detector_named(name)
    export_detector(network, tmp_path, family=family, size=SIZE)
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    for count, height in ((1, 64), (3, 96)):
        images = noise(count, height=height)
        got = session.run(None, {"input": images.numpy()})
        with torch.inference_mode():
            expected = network(images)
        for one, other in zip(got, expected, strict=True):
            torch.testing.assert_close(torch.from_numpy(one), other, atol=1e-3, rtol=1e-4)


def saved(name: str, folder: Path, *, classes: int) -> Path:
    tiny(name, num_classes=classes).detector.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["detr", "rt_detr"])
def test_a_folder_as_model_name_gives_its_architecture_and_weights(
    name: str, tmp_path: Path
) -> None:
    folder = saved(name, tmp_path / "checkpoint", classes=5)
    family = family_for(str(folder), Task.DETECTION)
    assert isinstance(family, DetectorFamily)
    assert family.name == name
    assert family.source() == {"name": str(folder), "revision": None, "licence": None}
    network = family.build(num_classes=3, options={}, pretrained=True)
    public = tiny(name, num_classes=5).state_dict()
    for key, tensor in network.state_dict().items():
        assert key.startswith(family.heads) or torch.equal(tensor, public[key]), key


def test_architectures_that_are_not_understood_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "yolos"}')
    message = r"model_type yolos, which is none for {} .*\(allowed: {}"
    named = message.format("image_object_detection", "conditional_detr, d_fine")
    with pytest.raises(UsageError, match=named):
        family_for(str(tmp_path), Task.DETECTION)
    named = message.format("image_instance_segmentation", r"mask2former\)")
    with pytest.raises(UsageError, match=named):
        family_for(str(tmp_path), Task.SEGMENTATION)
