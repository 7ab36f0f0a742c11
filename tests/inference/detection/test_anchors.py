"""The best of dense predictions, by cases for a pencil."""

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from inference.detection.anchors import anchors_of_levels, best_of_rows, pick

NONE = -torch.inf


@pytest.mark.parametrize(
    ("scores", "count", "values", "places"),
    [
        ([[0.1, 0.9, 0.5]], 2, [[0.9, 0.5]], [[1, 2]]),
        ([[0.1, 0.9], [0.7, 0.2]], 1, [[0.9], [0.7]], [[1], [0]]),
        ([[0.3]], 3, [[0.3, NONE, NONE]], [[0, 0, 0]]),  # places always exist
    ],
)
def test_rows_shorter_than_the_count_are_filled_up(scores, count, values, places):
    got_values, got_places = best_of_rows(torch.tensor(scores), count)
    assert torch.equal(got_values, torch.tensor(values))
    assert torch.equal(got_places, torch.tensor(places))


def test_pick_takes_rows_of_each_image():
    values = torch.arange(12.0).reshape(2, 3, 2)
    got = pick(values, torch.tensor([[2, 0], [1, 1]]))
    assert torch.equal(got, torch.tensor([[[4.0, 5], [0, 1]], [[8, 9], [8, 9]]]))


def test_anchors_of_levels_are_torchvisions_in_parts():
    generator = AnchorGenerator(((8,), (16, 32)), ((0.5, 1.0), (1.0,)))
    canvases = torch.zeros(3, 3, 16, 24)
    features = [torch.zeros(3, 1, 4, 6), torch.zeros(3, 1, 2, 3)]
    levels = anchors_of_levels(generator, canvases, features)
    assert [len(level) for level in levels] == [4 * 6 * 2, 2 * 3 * 2]
    every_image = generator(ImageList(canvases, [(16, 24)] * 3), features)
    assert all(torch.equal(torch.cat(levels), anchors) for anchors in every_image)
