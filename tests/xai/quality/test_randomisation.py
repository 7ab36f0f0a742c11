"""Rank correlation against scipy's, and networks that have learned nothing."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.model_folders import write_model_folder
from xai.quality.randomisation import rank_correlation, unlearned


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2, 3], [10, 20, 30], 1),
        ([1, 2, 3], [1, 4, 9], 1),
        ([1, 2, 3], [3, 2, 1], -1),
        ([1, 2, 3], [5, 5, 5], 0),
        ([1, 1, 2, 2], [1, 2, 1, 2], 0),
    ],
)
def test_by_pencil(a, b, expected):
    assert rank_correlation(np.float32(a), np.float32(b)) == pytest.approx(expected)


def test_it_is_scipys_with_ties_and_without():
    rng = np.random.default_rng(0)
    smooth, stepped = rng.random((20, 30), np.float32), rng.integers(0, 4, (20, 30))
    for a, b in ((smooth, smooth**2 + rng.random((20, 30), np.float32)), (smooth, stepped)):
        expected = spearmanr(a.ravel(), b.ravel()).statistic
        assert rank_correlation(a, b.astype(np.float32)) == pytest.approx(expected)


def test_an_unlearned_network_has_other_weights_that_its_seed_decides(tmp_path):
    facts = write_model_folder(tmp_path, family="mobilenetv2").facts
    state = torch.get_rng_state()
    first, again, other = (unlearned(facts, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(image), again(image))
    assert not torch.equal(first(image), other(image))
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())
