import warnings
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from inference.errors import UsageError
from inference.families import detector_named
from inference.families.yolov5.network import ANCHORS_WH, YoloV5, boxes_xywh

FAMILY = detector_named("yolov5")


def build(**options: Any) -> Any:
    torch.manual_seed(0)
    return FAMILY.build(num_classes=2, options=options, pretrained=False)


@pytest.mark.parametrize(
    ("model_size", "num_classes", "count"),
    [
        ("nano", 80, 1_872_157),
        ("small", 80, 7_235_389),
        ("medium", 80, 21_190_557),
        ("large", 80, 46_563_709),
        ("extra_large", 80, 86_749_405),
        ("nano", 4, 1_769_329),
        ("small", 4, 7_030_417),
        ("medium", 4, 20_883_441),
        ("large", 4, 46_154_449),
        ("extra_large", 4, 86_238_001),
    ],
)
def test_every_size_has_the_published_number_of_parameters(model_size, num_classes, count):
    with torch.device("meta"):
        network = YoloV5(num_classes=num_classes, model_size=model_size)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize(
    ("options", "model_size"),
    [
        ({}, "medium"),
        ({"model_size": "nano"}, "nano"),
        ({"model_size": "Small"}, "small"),
        ({"model_size": "ExtraLarge"}, "extra_large"),
        ({"model_size": "EXTRA_LARGE"}, "extra_large"),
    ],
)
def test_the_size_is_an_option_in_any_spelling(options, model_size):
    with torch.device("meta"):
        network = build(**options)
    assert FAMILY.describe(network) == {"model_size": model_size}


def test_an_unknown_size_is_refused():
    with pytest.raises(UsageError, match="unknown model_size 'smal'; did you mean 'small'"):
        build(model_size="smal")


def test_there_are_no_public_weights():
    with pytest.raises(UsageError, match=r"no .* weights for yolov5; set `pretrained: false` or"):
        FAMILY.build(num_classes=2, options={}, pretrained=True)


def test_freeze_groups_and_heads_are_in_the_network():
    network = YoloV5(num_classes=2, model_size="nano")
    for (name,) in FAMILY.freeze_groups:
        network.get_submodule(name)
    of_other_classes = YoloV5(num_classes=3, model_size="nano").state_dict()
    for name, values in network.state_dict().items():
        depends = values.shape != of_other_classes[name].shape
        assert depends == name.startswith(FAMILY.heads)


def logits(*probabilities: float) -> torch.Tensor:
    return torch.logit(torch.tensor(probabilities))


@pytest.mark.parametrize(
    ("outputs", "cell_xy", "expected_xywh"),
    [
        ((0.5, 0.5, 0.5, 0.5), (0, 0), (4, 4, 10, 20)),  # the middle of the cell, the anchor
        ((0.5, 0.5, 0.5, 0.5), (3, 1), (28, 12, 10, 20)),
        ((0.75, 0.25, 0.25, 0.75), (3, 1), (32, 8, 2.5, 45)),
        ((0.0, 1.0, 0.0, 1.0), (3, 1), (20, 20, 0, 80)),  # half a cell outside, 4 times the anchor
    ],
)
def test_logits_become_boxes(outputs, cell_xy, expected_xywh):
    anchor, cell = torch.tensor([10.0, 20.0]), torch.tensor(cell_xy)
    boxes = boxes_xywh(logits(*outputs), cell, anchor, stride=8)
    assert boxes.tolist() == pytest.approx(expected_xywh)


def test_the_output_lists_level_then_anchor_then_row_then_column():
    network = build(model_size="nano").eval()
    for head in network.heads:
        torch.nn.init.zeros_(head.weight)
        head.bias.data.copy_(logits(0.5, 0.5, 0.5, 0.5, 0.25, 0.125, 0.75).repeat(3))
    (output,) = network(torch.rand(1, 3, 32, 64))
    expected = [
        ((column + 0.5) * stride, (row + 0.5) * stride, *anchor, 0.25, 0.125, 0.75)
        for stride, anchors in zip((8, 16, 32), ANCHORS_WH, strict=True)
        for anchor in anchors
        for row in range(32 // stride)
        for column in range(64 // stride)
    ]
    assert torch.allclose(output, torch.tensor(expected))


def test_decode_drops_what_is_almost_surely_nothing():
    output = torch.tensor(
        [
            [[20, 20, 10, 40, 0.0005, 1.0, 1.0], [20, 20, 10, 40, 0.5, 0.5, 0.001]],
            [[1, 2, 2, 2, 0.5, 0.0001, 0.0001], [50, 50, 20, 20, 1.0, 0.25, 0.75]],
        ]
    )
    candidates = FAMILY.decode([output])
    assert candidates.image_ids.tolist() == [0, 1]
    assert candidates.boxes_xyxy.tolist() == [[[15, 0, 25, 40]], [[40, 40, 60, 60]]]
    assert torch.allclose(candidates.scores, torch.tensor([[0.25, 0.0005], [0.25, 0.75]]))


def test_decode_of_nothing_keeps_the_shapes():
    candidates = FAMILY.decode([torch.zeros(2, 5, 7)])
    assert candidates.image_ids.shape == (0,)
    assert candidates.boxes_xyxy.shape == (0, 1, 4)
    assert candidates.scores.shape == (0, 2)


def test_a_batch_gives_what_its_images_give():
    network = build(model_size="nano").eval()
    canvases = torch.rand(3, 3, 64, 96)
    with torch.inference_mode():
        singles = torch.cat([network(canvas[None]) for canvas in canvases])
        assert torch.allclose(network(canvases), singles, atol=1e-4)


def test_the_onnx_graph_takes_any_batch_and_canvas(tmp_path):
    network = build(model_size="nano")
    with torch.no_grad():
        network(torch.rand(4, 3, 64, 64))  # so that the normalisations are no identities
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on tracing
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 64, 64),),
            str(tmp_path / "model.onnx"),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={
                "input": {0: "batch", 2: "height", 3: "width"},
                "output": {0: "batch", 1: "boxes"},
            },
        )
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for shape in ((1, 3, 64, 96), (3, 3, 160, 32)):
        canvases = torch.rand(shape)
        (got,) = session.run(None, {"input": canvases.numpy()})
        with torch.inference_mode():
            expected = network(canvases).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_anchors_travel_with_the_weights():
    network = build(model_size="nano")
    network.anchors_wh.mul_(2)
    other = build(model_size="nano")
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.anchors_wh, 2 * torch.tensor(ANCHORS_WH))
