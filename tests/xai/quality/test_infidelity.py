"""Infidelity, by pencil, by its properties and as captum computes it."""

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity

from xai.quality.infidelity import infidelity, losses, random_squares

WEIGHTS = torch.tensor([[4.0, 1.0], [0.0, 3.0]])
ROWS = torch.tensor([[[1, 1], [0, 0]], [[0, 0], [1, 1]]]).bool()


def linear(images):
    return (images[:, 0] * WEIGHTS).sum(dim=(1, 2)).numpy()


def test_what_masks_cost_a_linear_score_by_pencil():
    image, empty = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
    assert losses(linear, image, empty, ROWS).tolist() == [5.0, 3.0]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[4, 1], [0, 3]], 0.0),
        ([[8, 2], [0, 6]], 0.0),  # twice too much: the scale does not count
        ([[1, 0], [0, 0]], 1 - 5**2 / 34),  # sums 1 and 0 for costs 5 and 3
        ([[3, 0], [-5, 0]], 1.0),  # at right angles
        ([[0, 0], [0, 0]], 1.0),
    ],
)
def test_infidelity_by_pencil(scores, expected):
    found = infidelity(np.array(scores, np.float32), ROWS, np.array([5.0, 3.0]))
    assert found == pytest.approx(expected)


def test_masks_that_cost_nothing_tell_nothing():
    assert infidelity(np.ones((2, 2), np.float32), ROWS, np.zeros(2)) == 1.0


@pytest.mark.parametrize("size_hw", [(8, 8), (5, 13), (1, 1)])
def test_squares_are_whole_and_repeatable(size_hw):
    masks = random_squares(size_hw, 50, np.random.default_rng(3))
    assert masks.shape == (50, *size_hw)
    assert torch.equal(masks, random_squares(size_hw, 50, np.random.default_rng(3)))
    rows, columns = masks.any(dim=2).sum(dim=1), masks.any(dim=1).sum(dim=1)
    assert torch.equal(rows, columns)
    assert torch.equal(masks.sum(dim=(1, 2)), rows * columns)
    assert rows.min() >= 1


def test_captum_computes_the_same():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 8), torch.nn.Tanh())
    network.append(torch.nn.Linear(8, 1)).double()
    image, without = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    scores = torch.rand(8, 8, dtype=torch.float64)
    masks = random_squares((8, 8), 40, np.random.default_rng(1))

    def score(images):
        return network(images)[:, 0].detach().numpy()

    costs = losses(score, image, without, masks)
    ours = infidelity(scores.numpy(), masks, costs)

    def squares(inputs):
        parts = masks[:, None].expand(-1, 3, -1, -1)
        return parts.double(), torch.where(parts, without, inputs)

    # a pixel's score stands in one of its channels, for captum sums over channels
    attributions = torch.stack([scores, *torch.zeros(2, 8, 8, dtype=torch.float64)])[None]
    theirs = captum_infidelity(
        lambda images: network(images)[:, 0],
        squares,
        image[None],
        attributions,
        n_perturb_samples=40,
        max_examples_per_batch=40,
        normalize=True,
    )
    assert ours * (costs**2).mean() == pytest.approx(theirs.item(), rel=1e-9)
