"""Insertion and deletion, where a pencil can tell the area."""

import numpy as np
import pytest
import torch

from xai.quality.perturbation import area_under, blurred, exchange_curve, pixel_ranks

# An image of four pixels and a score that adds them up with these weights: 8 in all.
WEIGHTS = torch.tensor([[4.0, 1.0], [0.0, 3.0]])
IMAGE = torch.ones(1, 2, 2)
EMPTY = torch.zeros(1, 2, 2)


def linear(images):
    return (images * WEIGHTS).sum(dim=(1, 2, 3)).numpy()


@pytest.mark.parametrize(
    ("scores", "ranks"),
    [
        ([[0, 0], [0, 0]], [[0, 1], [2, 3]]),
        ([[4, 1], [0, 3]], [[0, 2], [3, 1]]),
        ([[-1, 2], [2, -5]], [[2, 0], [1, 3]]),
    ],
)
def test_the_highest_pixel_ranks_first_and_ties_go_in_raster_order(scores, ranks):
    assert pixel_ranks(np.array(scores, np.float32)).tolist() == ranks


@pytest.mark.parametrize(
    ("scores", "curve", "area"),
    [
        (WEIGHTS.numpy(), [0, 4, 7, 8, 8], (4 + 7 + 8 + 4) / 4),
        (-WEIGHTS.numpy(), [0, 0, 1, 4, 8], (0 + 1 + 4 + 4) / 4),
        (np.zeros((2, 2), np.float32), [0, 4, 5, 5, 8], (4 + 5 + 5 + 4) / 4),
    ],
)
def test_insertion_of_a_linear_score_by_pencil(scores, curve, area):
    found = exchange_curve(linear, EMPTY, IMAGE, pixel_ranks(scores), steps=4)
    assert found.tolist() == curve
    assert area_under(found) == area


def test_deletion_is_what_insertion_leaves():
    ranks = pixel_ranks(WEIGHTS.numpy())
    inserted = exchange_curve(linear, EMPTY, IMAGE, ranks, steps=4)
    deleted = exchange_curve(linear, IMAGE, EMPTY, ranks, steps=4)
    np.testing.assert_allclose(inserted + deleted, 8)


def test_curves_begin_and_end_with_the_whole_images_however_many_steps_there_are():
    before, after = torch.rand(2, 3, 7, 5, generator=torch.Generator().manual_seed(0))
    ranks = pixel_ranks(np.arange(35, dtype=np.float32).reshape(7, 5))

    def total(images):
        return images.sum(dim=(1, 2, 3)).numpy()

    for steps in (1, 3, 20):  # fewer and more than one chunk
        curve = exchange_curve(total, before, after, ranks, steps=steps)
        assert len(curve) == steps + 1
        np.testing.assert_allclose(curve[[0, -1]], [before.sum(), after.sum()], rtol=1e-5)


def test_a_perfect_map_beats_a_random_one_and_that_an_inverted_one():
    rng = np.random.default_rng(0)
    weights = rng.random((16, 16)).astype(np.float32)

    def score(images):
        return (images[:, 0] * torch.from_numpy(weights)).sum(dim=(1, 2)).numpy()

    def areas(scores):
        image, empty = torch.ones(1, 16, 16), torch.zeros(1, 16, 16)
        ranks = pixel_ranks(scores)
        pairs = (empty, image), (image, empty)
        return [area_under(exchange_curve(score, *pair, ranks, steps=20)) for pair in pairs]

    maps = (weights, rng.random((16, 16), np.float32), -weights)
    (good_in, good_out), (some_in, some_out), (bad_in, bad_out) = map(areas, maps)
    assert good_in > some_in > bad_in
    assert good_out < some_out < bad_out


@pytest.mark.parametrize(
    ("curve", "area"), [([1, 1], 1), ([0, 1], 0.5), ([1, 0, 0], 0.25), ([0, 1, 0, 1], 0.5)]
)
def test_area_by_the_trapezoid_rule(curve, area):
    assert area_under(np.array(curve, float)) == pytest.approx(area)


def test_blurring_leaves_an_even_image_and_evens_out_noise():
    even = torch.full((3, 16, 16), 0.25)
    torch.testing.assert_close(blurred(even), even)
    noise = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert blurred(noise).std() < noise.std() / 2
