import numpy as np
import pytest
import torch

from inference.families.yolov5.anchors import (
    best_possible_recall,
    clustered_anchors,
    fit_to_data,
)
from inference.families.yolov5.network import ANCHORS_WH, YoloV5


def sizes(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, np.float32).reshape(-1, 2)


@pytest.mark.parametrize(
    ("boxes", "anchors", "recall"),
    [
        (sizes(), sizes((10, 10)), 1.0),
        (sizes((10, 10)), sizes((10, 10)), 1.0),
        (sizes((10, 40), (10, 39), (2.6, 39), (2.4, 10)), sizes((10, 10)), 0.5),
        (sizes((10, 40), (10, 39), (2.6, 39), (2.4, 10)), sizes((10, 10), (10, 20)), 0.75),
    ],
)
def test_recall_is_the_share_of_boxes_that_an_anchor_may_take(boxes, anchors, recall):
    assert best_possible_recall(boxes, anchors) == recall


@pytest.mark.parametrize("boxes", [sizes(), sizes((20, 20), (100, 80), (400, 300))])
def test_anchors_that_fit_stay(boxes):
    network = YoloV5(num_classes=1, model_size="nano")
    assert fit_to_data(network, boxes) == ""
    assert torch.equal(network.anchors_wh, torch.tensor(ANCHORS_WH))


@pytest.mark.parametrize(
    "boxes",
    [sizes((3, 300)), sizes((2, 2), (3, 300), (600, 5)), sizes(*[(2, 90 + i) for i in range(60)])],
)
def test_anchors_that_do_not_fit_are_replaced_in_order_of_area(boxes):
    networks = [YoloV5(num_classes=1, model_size="nano") for _ in range(2)]
    lines = [fit_to_data(network, boxes) for network in networks]
    anchors = networks[0].anchors_wh.reshape(-1, 2)
    assert lines[0].startswith("new anchors")
    assert lines[0].endswith("100.0% of the boxes have one that fits, 0.0% had one before")
    assert lines[0] == lines[1]
    assert torch.equal(networks[0].anchors_wh, networks[1].anchors_wh)
    assert best_possible_recall(boxes, anchors.numpy()) == 1.0
    assert anchors.prod(dim=1).diff().min() > 0


@pytest.mark.parametrize(("side_spread", "ratio_spread"), [(1.0, 0.5), (1.5, 0.7), (1.2, 1.0)])
def test_nine_clusters_are_enough_for_boxes_of_many_sizes_and_shapes(side_spread, ratio_spread):
    rng = np.random.default_rng(0)
    side, ratio = rng.normal(3.7, side_spread, 500), rng.normal(0.0, ratio_spread, 500)
    boxes = np.exp(np.stack([side + ratio / 2, side - ratio / 2], axis=1)).astype(np.float32)
    assert best_possible_recall(boxes, clustered_anchors(boxes, count=9)) >= 0.98
