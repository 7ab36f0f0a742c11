from typing import get_args

import numpy as np
import pytest
import torch

from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD, normalize
from inference.schema import Baseline
from tests.xai.nets import photo
from xai.baselines import baselines_of

NAMES: tuple[Baseline, ...] = get_args(Baseline)
IMAGE = torch.from_numpy(normalize(photo("coffee", 64)[None])[0])


def pixels_of(name: Baseline) -> torch.Tensor:
    """What a baseline looks like, in levels 0…1: (3, H, W)."""
    (baseline,) = baselines_of([name], IMAGE)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return baseline * std + mean


@pytest.mark.parametrize(
    ("name", "colour"), [("black", (0, 0, 0)), ("white", (1, 1, 1)), ("mean_colour", IMAGENET_MEAN)]
)
def test_colours(name: Baseline, colour: tuple[float, float, float]) -> None:
    expected = torch.tensor(colour, dtype=torch.float32)[:, None, None].expand(3, 64, 64)
    torch.testing.assert_close(pixels_of(name), expected, atol=1e-6, rtol=0)


def test_the_ends_are_the_images() -> None:
    low, high = baselines_of(["image_min", "image_max"], IMAGE)
    assert low.unique().tolist() == [float(IMAGE.min())]
    assert high.unique().tolist() == [float(IMAGE.max())]


def test_a_blurred_image_keeps_its_mean_and_loses_its_edges() -> None:
    (blurred,) = baselines_of(["blur"], IMAGE)
    np.testing.assert_allclose(blurred.mean(dim=(1, 2)), IMAGE.mean(dim=(1, 2)), atol=0.1)
    assert blurred.diff(dim=2).abs().max() < 0.2 * IMAGE.diff(dim=2).abs().max()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_baseline_is_like_its_image(name: Baseline, dtype: torch.dtype) -> None:
    before = IMAGE.clone()
    (baseline,) = baselines_of([name], IMAGE.to(dtype))
    assert (baseline.shape, baseline.dtype) == (IMAGE.shape, dtype)
    assert baseline.isfinite().all()
    torch.testing.assert_close(IMAGE, before, atol=0, rtol=0)
