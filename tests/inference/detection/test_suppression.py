"""Suppression of a batch: cases for a pencil, then agreement with torchvision's nms."""

import pytest
import torch
from torch import nn
from torchvision.ops import nms

from inference.detection.suppression import suppress
from tests.inference.graphs import onnx_session

NONE = -torch.inf
BOX, NEAR, FAR = [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0], [20.0, 20.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("boxes", "scores", "expected"),
    [
        ([], [], []),
        ([BOX], [0.5], [0.5]),
        ([BOX, NEAR], [0.5, 0.9], [NONE, 0.9]),  # IoU 0.9
        ([BOX, NEAR, FAR], [0.9, 0.5, 0.1], [0.9, NONE, 0.1]),
        ([BOX, NEAR], [0.5, NONE], [0.5, NONE]),
        ([BOX, NEAR], [NONE, NONE], [NONE, NONE]),
        ([BOX, NEAR], [-7.0, -9.0], [-7.0, NONE]),  # logits are scores too
    ],
)
def test_a_better_box_suppresses_those_it_overlaps(boxes, scores, expected):
    boxes_xyxy = torch.tensor(boxes).reshape(1, -1, 4)
    got = suppress(boxes_xyxy, torch.tensor([scores]), iou_threshold=0.7)
    assert torch.equal(got, torch.tensor([expected]))


def random_rows(rows, count):
    generator = torch.Generator().manual_seed(0)
    corners = 50 * torch.rand(rows, count, 2, generator=generator)
    sides = 1 + 30 * torch.rand(rows, count, 2, generator=generator)
    boxes_xyxy = torch.cat([corners, corners + sides], dim=-1)
    return boxes_xyxy, torch.randn(rows, count, generator=generator)


def test_rows_are_suppressed_as_torchvision_does_one_by_one():
    boxes_xyxy, scores = random_rows(3, 200)
    got = suppress(boxes_xyxy, scores, iou_threshold=0.5)
    for row in range(3):
        kept = nms(boxes_xyxy[row], scores[row], 0.5)
        assert 0 < len(kept) < 200
        expected = torch.full_like(scores[row], NONE)
        expected[kept] = scores[row, kept]
        assert torch.equal(got[row], expected)


class Suppression(nn.Module):
    def forward(self, boxes_xyxy, scores):
        return suppress(boxes_xyxy, scores, iou_threshold=0.5)


def test_the_node_of_a_graph_agrees_for_any_number_of_rows(tmp_path):
    inputs = {"boxes": (0, 1), "scores": (0, 1)}
    path = tmp_path / "s.onnx"
    run = onnx_session(Suppression(), random_rows(2, 10), path, inputs=inputs, outputs=["kept"])
    boxes_xyxy, scores = random_rows(3, 200)
    scores[1] = NONE
    (got,) = run(boxes_xyxy, scores)
    assert torch.equal(got, suppress(boxes_xyxy, scores, iou_threshold=0.5))
