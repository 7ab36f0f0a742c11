import math
from dataclasses import dataclass

import pytest
import torch

from inference.candidates import BoxTargets
from inference.families.yolov5.loss import assign, losses
from inference.families.yolov5.network import ANCHORS_WH, YoloV5

FINE_ANCHORS = torch.tensor(ANCHORS_WH[0])  # 10×13, 16×30, 33×23
LN_2 = math.log(2)


@dataclass
class HandMade:
    """A network that always gives the same logits."""

    maps: list[torch.Tensor]
    anchors_wh: torch.Tensor

    def raw(self, _: torch.Tensor) -> list[torch.Tensor]:
        return self.maps


def targets(*boxes: tuple[float, ...], label: int = 0) -> BoxTargets:
    boxes_xyxy = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return BoxTargets(boxes_xyxy, torch.full((len(boxes),), label))


@pytest.mark.parametrize(
    ("box_xywh", "cells_xy"),
    [
        ((18, 14, 10, 13), {(2, 1), (1, 1), (2, 2)}),  # left of and below its cell's middle
        ((22, 10, 10, 13), {(2, 1), (3, 1), (2, 0)}),
        ((20, 12, 10, 13), {(2, 1), (3, 1), (2, 2)}),  # in the middle: one of two equal ones
        ((2, 2, 10, 13), {(0, 0)}),  # no neighbours in the corner
        ((30, 22, 10, 13), {(3, 2)}),
        ((32, 12, 10, 13), {(3, 1)}),  # on the border: there is no cell of its own
        ((50, 12, 10, 13), set()),  # outside
    ],
)
def test_a_box_goes_to_its_cell_and_the_two_nearest(box_xywh, cells_xy):
    boxes = torch.tensor([box_xywh], dtype=torch.float32)
    chosen = assign(boxes, FINE_ANCHORS[:1], 8, size_hw=(3, 4))
    assert {tuple(cell) for cell in chosen.cells_xy.tolist()} == cells_xy
    assert len(chosen.cells_xy) == len(cells_xy)


@pytest.mark.parametrize(
    ("size_wh", "anchor_ids"),
    [
        ((10, 13), [0, 1, 2]),
        ((40, 40), [1, 2]),  # 4 times as wide as the first
        ((39.9, 39.9), [0, 1, 2]),
        ((8.3, 6.0), [0, 2]),  # the second is more than 4 times as high
        ((1, 100), []),
        ((0, 0), []),
    ],
)
def test_an_anchor_takes_boxes_of_less_than_four_times_its_sides(size_wh, anchor_ids):
    box = torch.tensor([[2.0, 2.0, *size_wh]])
    assert assign(box, FINE_ANCHORS, 8, size_hw=(4, 4)).anchor_ids.tolist() == anchor_ids


def test_many_boxes_are_assigned_as_each_alone():
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(50, 4, generator=generator) * torch.tensor([64.0, 96.0, 60.0, 60.0])
    together = assign(boxes, FINE_ANCHORS, 8, size_hw=(12, 8))
    for index, box in enumerate(boxes):
        alone = assign(box[None], FINE_ANCHORS, 8, size_hw=(12, 8))
        mine = together.box_ids == index
        assert torch.equal(together.cells_xy[mine], alone.cells_xy)
        assert torch.equal(together.anchor_ids[mine], alone.anchor_ids)


def zero_maps(num_classes: int, *, batch: int = 1) -> list[torch.Tensor]:
    """Of a canvas of 32 pixels: every box is its anchor in the middle of its cell, all 0.5."""
    return [torch.zeros(batch, 3, side, side, 5 + num_classes) for side in (4, 2, 1)]


@pytest.mark.parametrize(
    ("batch", "boxes", "box_loss", "class_loss"),
    [
        (1, (), 0.0, 0.0),
        (1, ((6, 6, 26, 26),), 0.0, LN_2),
        (3, ((6, 6, 26, 26),), 0.0, LN_2),
        (1, ((-4, -4, 36, 36),), 0.75, LN_2),  # concentric, IoU 1/4
        (1, ((11, 11, 21, 21),), 0.75, LN_2),
        (1, ((6, 6, 26, 26), (11, 11, 21, 21)), 0.375, LN_2),
    ],
)
def test_losses_of_hand_made_logits(batch, boxes, box_loss, class_loss):
    anchors_wh = torch.full((3, 3, 2), 1000.0)
    anchors_wh[2, 1] = 20.0  # nothing else takes the boxes
    got = losses(
        HandMade(zero_maps(4, batch=batch), anchors_wh),
        torch.zeros(batch, 3, 32, 32),
        [targets(*boxes)] * batch,
    )
    expected = {
        "loss_box": 0.05 * box_loss * batch,
        "loss_objectness": (4 + 1 + 0.4) * LN_2 * (32 / 640) ** 2 * batch,
        "loss_classes": 0.5 * 4 / 80 * class_loss * batch,
    }
    assert {name: float(loss) for name, loss in got.items()} == pytest.approx(expected, abs=1e-6)


def test_objectness_learns_the_best_overlap_of_the_boxes_that_share_a_cell():
    anchors_wh = torch.full((3, 3, 2), 1000.0)
    anchors_wh[2, 1] = 20.0
    maps = [each.requires_grad_() for each in zero_maps(1)]
    for boxes in (((6, 6, 26, 26), (11, 11, 21, 21)), ((11, 11, 21, 21), (6, 6, 26, 26))):
        network = HandMade(maps, anchors_wh)
        loss = losses(network, torch.zeros(1, 3, 32, 32), [targets(*boxes)])["loss_objectness"]
        (gradient,) = torch.autograd.grad(loss, maps[2])
        per_cell = 0.4 * (32 / 640) ** 2 / 3
        expected = torch.tensor([0.5, 0.5 - 1.0, 0.5]) * per_cell  # sigmoid less what is wanted
        assert torch.allclose(gradient[0, :, 0, 0, 4], expected, atol=1e-6)


@pytest.mark.parametrize(
    "batch",
    [
        [targets(), targets()],
        [targets((4, 4, 40, 50), (30, 10, 60, 64)), targets()],
        [targets((4, 4, 4, 50)), targets((0, 0, 64, 64), label=1)],  # the first has no width
    ],
)
def test_losses_are_finite_and_fall(batch):
    torch.manual_seed(0)
    network = YoloV5(num_classes=2, model_size="nano").train()
    canvases = torch.rand(2, 3, 64, 64)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    history = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = torch.stack(list(losses(network, canvases, batch).values())).sum()
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
        optimizer.step()
        history.append(loss.item())
    assert math.isfinite(history[0])
    assert history[-1] < 0.9 * history[0]


def test_boxes_that_shrink_to_nothing_do_not_give_gradients_that_are_no_numbers():
    maps = [torch.full_like(level, -60.0).requires_grad_() for level in zero_maps(2)]
    network = HandMade(maps, torch.tensor(ANCHORS_WH))
    found = losses(network, torch.zeros(1, 3, 64, 64), [targets((10, 10, 40, 40))])
    torch.stack(list(found.values())).sum().backward()
    assert all(level.grad.isfinite().all() for level in maps if level.grad is not None)
