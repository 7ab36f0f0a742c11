"""Noisy linear imputation against the dense solution of its equations, and ROAD's curves."""

import numpy as np
import pytest
import torch
from skimage import data

from xai.quality.perturbation import pixel_ranks
from xai.quality.road import impute, removal_curve


def solved_densely(image, removed):
    """Each removed pixel is the weighted mean of those of its 8 neighbours that exist."""
    height, width, channels = image.shape
    matrix, right = np.eye(height * width), image.reshape(-1, channels).astype(np.float64).copy()
    for y, x in np.argwhere(removed):
        row = y * width + x
        right[row] = 0
        around = [
            (y + dy, x + dx, 1 / 6 if dy == 0 or dx == 0 else 1 / 12)
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if (dy, dx) != (0, 0) and 0 <= y + dy < height and 0 <= x + dx < width
        ]
        total = sum(weight for _, _, weight in around)
        for ny, nx, weight in around:
            matrix[row, ny * width + nx] -= weight / total
    return np.linalg.solve(matrix, right).reshape(image.shape)


@pytest.mark.parametrize("share", [0, 0.2, 0.7, 0.95])
@pytest.mark.parametrize("channels", [1, 3])
def test_imputation_solves_the_papers_equations(share, channels):
    rng = np.random.default_rng(1)
    image = rng.normal(size=(9, 12, channels)).astype(np.float32)
    removed = rng.random((9, 12)) < share
    found = impute(image, removed)
    np.testing.assert_allclose(found, solved_densely(image, removed), atol=1e-3)
    np.testing.assert_array_equal(found[~removed], image[~removed])


def test_a_hole_in_a_photo_is_filled_to_less_than_a_tenth_of_the_noise():
    photo = data.astronaut()[100:124, 200:224].astype(np.float32) / 64 - 2
    removed = np.zeros((24, 24), np.bool_)
    removed[2:22, 2:22] = True
    np.testing.assert_allclose(impute(photo, removed), solved_densely(photo, removed), atol=4e-3)


@pytest.mark.parametrize("value", [0.0, -1.5])
def test_an_even_image_stays_even(value):
    image = np.full((8, 8, 3), value, np.float32)
    removed = np.ones((8, 8), np.bool_)
    removed[5, 5] = False
    np.testing.assert_allclose(impute(image, removed), image, atol=1e-5)


def test_one_removed_pixel_by_pencil():
    image = np.zeros((3, 3, 1), np.float32)
    image[0, 1], image[0, 0], image[1, 1] = 6, 12, 100
    removed = np.zeros((3, 3), np.bool_)
    removed[1, 1] = True
    assert impute(image, removed)[1, 1, 0] == pytest.approx(6 / 6 + 12 / 12, abs=1e-4)


def test_removal_without_noise_asks_about_the_imputed_images():
    image = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0))
    ranks = pixel_ranks(np.random.default_rng(0).random((6, 6), np.float32))
    seen = []

    def score(images):
        seen.extend(images)
        return images.sum(dim=(1, 2, 3)).numpy()

    rng = np.random.default_rng(0)
    curve = removal_curve(score, image, ranks, rng=rng, fractions=(0, 0.5), noise=0)
    torch.testing.assert_close(seen[0], image)
    expected = impute(image.permute(1, 2, 0).numpy(), ranks < 18)
    np.testing.assert_allclose(seen[1].permute(1, 2, 0), expected, atol=1e-6)
    np.testing.assert_allclose(curve, [image.sum(), expected.sum()], rtol=1e-5)


def test_noise_falls_on_removed_pixels_alone_and_repeats_with_its_seed():
    image, ranks = torch.zeros(3, 8, 8), np.arange(64).reshape(8, 8)
    runs = []

    def score(images):
        runs.append(images)
        return np.zeros(len(images), np.float32)

    for _ in range(2):
        rng = np.random.default_rng(7)
        removal_curve(score, image, ranks, rng=rng, fractions=(0.5,), noise=0.1)
    torch.testing.assert_close(runs[0], runs[1], rtol=0, atol=0)
    removed, kept = runs[0][0, :, :4], runs[0][0, :, 4:]
    assert removed.std() == pytest.approx(0.1, rel=0.2)
    assert not kept.any()
