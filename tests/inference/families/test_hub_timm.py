from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from inference.errors import UsageError
from inference.families import family_for
from inference.families.base import Family
from inference.networks import load_network
from inference.pipeline import load_pipeline
from inference.schema import XaiParameters
from inference.types import Task
from tests.inference.families.hub_checkpoints import model_folder
from xai.explainer import Explainer

NAMES = ("test_vit", "timm/test_convnext", "test_resnet")  # timm has them for tests
PICTURE = np.random.default_rng(0).integers(0, 256, (200, 260, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_are_those_of_timms_own_transform(tmp_path: Path, name: str) -> None:
    folder = model_folder(name, tmp_path / "model", pretrained=False)
    network: Any = load_network(folder)
    pipeline = load_pipeline(folder, device="cpu")
    items = pipeline.prepare(PICTURE, folder.settings)
    ours = pipeline.finish(items, pipeline.run(items)).probs
    config = resolve_data_config({}, model=timm.create_model(name.removeprefix("timm/")))
    image = create_transform(**config)(Image.fromarray(PICTURE))
    with torch.no_grad():
        theirs = network(image[None]).softmax(dim=-1)[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    asked = XaiParameters(xai_algorithm="guided_gradcam")
    assert Explainer(folder).explain(PICTURE, asked).attributions[0].any()


def test_other_sizes_are_taken_where_timm_takes_them(tmp_path: Path) -> None:
    sizes = {"training_crop_size": 64, "validation_crop_size": 64, "validation_resize_size": 72}
    folder = model_folder("test_vit", tmp_path / "model", pretrained=False, **sizes)
    assert (folder.facts.image_size, folder.facts.fixed_size) == (64, True)


def test_licence_comes_with_the_name() -> None:
    family = family_for("timm/test_vit", Task.CLASSIFICATION)
    assert isinstance(family, Family)
    assert family.source() == {"name": "timm/test_vit", "revision": None, "licence": "apache-2.0"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/resnet5", "unknown timm model 'resnet5'; did you mean 'resnet50'"),
        ("timm/resnet18.of_yesterday", r"Invalid pretrained tag \(of_yesterday\)"),
        ("resnet5", "unknown model family 'resnet5'; did you mean 'resnet50'.*owner/name"),
    ],
)
def test_names_that_timm_does_not_know(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        family_for(name, Task.CLASSIFICATION)
