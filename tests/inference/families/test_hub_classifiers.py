import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import nn

from inference.errors import BadRequest, UsageError
from inference.families import classifier_named, family_for
from inference.families.base import Family
from inference.hub.snapshots import describe_checkpoint
from inference.model_folder import ModelFolder
from inference.networks import load_network
from inference.pipeline import load_pipeline
from inference.schema import XaiParameters
from inference.types import Task
from tests.inference.families.hub_checkpoints import (
    CHECKPOINTS,
    model_folder,
    recipe,
    save_checkpoint,
)
from xai.baselines import baselines_of
from xai.explainer import Explainer
from xai.methods import METHODS

KINDS = tuple(CHECKPOINTS)
TWO_HEADS = ("model.cls_classifier", "model.distillation_classifier")
EXPORTED = ("vit", "deit", "resnet", "swin")
NOISE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
ROWS, COLUMNS = np.mgrid[0:60, 0:90]
SMOOTH = np.stack([ROWS * 4, COLUMNS * 2.5, 255 - ROWS * 2], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    for kind in KINDS:
        save_checkpoint(kind, root / kind)
    return root


@pytest.fixture(scope="module", params=EXPORTED)
def folder(
    request: pytest.FixtureRequest, checkpoints: Path, tmp_path_factory: pytest.TempPathFactory
) -> ModelFolder:
    path = tmp_path_factory.mktemp("folders") / request.param
    return model_folder(str(checkpoints / request.param), path, pretrained=True)


def family(folder: Path) -> Family:
    found = family_for(str(folder), Task.CLASSIFICATION)
    assert isinstance(found, Family)
    return found


def probs(folder: ModelFolder, picture: Any) -> Any:
    pipeline = load_pipeline(folder, device="cpu")
    items = pipeline.prepare(picture, folder.settings)
    return pipeline.finish(items, pipeline.run(items)).probs


def test_a_model_folder_needs_neither_checkpoint_nor_hub(folder: ModelFolder) -> None:
    """load_state_dict is strict, and export has compared the engines already."""
    assert "onnx" in folder.onnx_path.suffix
    assert "_name_or_path" not in json.dumps(folder.facts.options)
    network = load_network(folder)
    names = classifier_named(folder.facts.family, folder.facts.options).heads
    assert all(isinstance(network.get_submodule(name), nn.Linear) for name in names)


def test_probabilities_are_those_of_transformers_pipeline(
    folder: ModelFolder, checkpoints: Path
) -> None:
    """Beside the checkpoint's own image processor.

    Where a picture has noise its resizing differs by a level of 255 here and there: torch's from
    Pillow's, which we share with the library's other backend.
    """
    kind = folder.path.name
    network: Any = load_network(folder)
    theirs = transformers.pipeline(
        "image-classification",
        model=network.model,
        image_processor=transformers.AutoImageProcessor.from_pretrained(checkpoints / kind),
        device="cpu",
    )
    for picture in (SMOOTH, np.ascontiguousarray(SMOOTH.transpose(1, 0, 2))):
        answers = theirs(Image.fromarray(picture), top_k=3)
        expected = {answer["label"]: answer["score"] for answer in answers}
        wanted = [expected[f"LABEL_{place}"] for place in range(3)]
        np.testing.assert_allclose(probs(folder, picture), wanted, atol=1e-4)
    pillow = transformers.AutoImageProcessor.from_pretrained(checkpoints / kind, backend="pil")
    pixels = pillow(Image.fromarray(NOISE), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        wanted = network(pixels).softmax(dim=-1)[0].numpy()
    np.testing.assert_allclose(probs(folder, NOISE), wanted, atol=2e-4)


@pytest.mark.parametrize("algorithm", ["guided_gradcam", "integrated_gradients"])
def test_maps_and_paths_explain_a_network_nobody_looked_into(
    folder: ModelFolder, algorithm: Any
) -> None:
    asked = XaiParameters(xai_algorithm=algorithm, n_steps=2)
    (attribution,) = Explainer(folder).explain(SMOOTH, asked).attributions
    assert attribution.any()
    assert np.isfinite(attribution).all()


def test_the_backbone_is_the_checkpoints_and_the_heads_are_new(checkpoints: Path) -> None:
    for kind in ("vit", "deit", "resnet"):
        found = family(checkpoints / kind)
        network: Any = found.build(num_classes=5, image_size=found.only_size or 0, pretrained=True)
        public = transformers.AutoModelForImageClassification.from_pretrained(checkpoints / kind)
        state = {f"model.{name}": tensor for name, tensor in public.state_dict().items()}
        for name, tensor in network.state_dict().items():
            is_new = name.startswith(found.heads) and not name.endswith("bias")
            assert torch.equal(tensor, state[name]) != is_new or name.endswith("bias"), name


@pytest.mark.parametrize(
    ("kind", "heads", "groups", "sizes"),
    [
        ("vit", ("model.classifier",), 3, (32, 32, "whole")),
        ("deit", TWO_HEADS, 3, (40, 32, "short_side")),
        ("resnet", ("model.classifier.1",), 5, (73, 64, "short_side")),
        ("swin", ("model.classifier",), 3, (32, 32, "whole")),
    ],
)  # fmt: skip
def test_what_is_read_from_a_checkpoint(
    checkpoints: Path, kind: str, heads: tuple[str, ...], groups: int, sizes: tuple[int, int, str]
) -> None:
    found = family(checkpoints / kind)
    assert (found.heads, len(found.freeze_groups)) == (heads, groups)
    resolved: Any = recipe(str(checkpoints / kind))._parameters
    resized = (resolved.validation_resize_size, resolved.validation_crop_size)
    assert (*resized, found.preprocessing.resize) == sizes
    network = found.build(num_classes=2, image_size=found.only_size or 0, pretrained=False)
    for name in (name for group in found.freeze_groups for name in group):
        network.get_submodule(name)


@pytest.mark.parametrize(
    ("kind", "cam"),
    [
        ("vit", {"layer": "model.vit.layers.1.layernorm_before", "form": "tokens", "prefix": 1}),
        ("deit", {"layer": "model.deit.layers.1.layernorm_before", "form": "tokens", "prefix": 2}),
        ("dinov2", {"layer": "model.dinov2.layernorm", "form": "tokens", "prefix": 1}),
        ("resnet", {"layer": "model.resnet.encoder.stages.3", "form": "channels_first"}),
        ("swin", {"layer": "model.swin.layernorm", "form": "tokens", "prefix": 0}),
    ],
)
def test_where_a_map_is_read(checkpoints: Path, kind: str, cam: dict[str, Any]) -> None:
    found = family(checkpoints / kind)
    size = found.only_size or 0
    network = found.build(num_classes=3, image_size=size, pretrained=False).eval()
    assert found.describe(network, size)["cam"] == cam


def test_other_sizes_than_the_image_processors_are_refused(checkpoints: Path) -> None:
    sizes = {"training_crop_size": 64, "validation_crop_size": 64, "validation_resize_size": 64}
    with pytest.raises(UsageError, match=r"must be 32 for .*as its image processor says, got 64"):
        recipe(str(checkpoints / "vit"), **sizes)


def test_what_a_network_does_not_have_is_said(checkpoints: Path, tmp_path: Path) -> None:
    """A network with Mish and a map of one cell: no rule, no map."""
    config, processor = CHECKPOINTS["vit"]()
    config.hidden_act, config.patch_size = "mish", 32
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "odd")
    processor.save_pretrained(tmp_path / "odd")
    folder = model_folder(str(tmp_path / "odd"), tmp_path / "model", pretrained=True)
    explainer = Explainer(folder)
    for algorithm in METHODS:
        asked = XaiParameters.model_validate({"xai_algorithm": algorithm, "n_steps": 2})
        if algorithm in ("integrated_gradients", "xrai"):
            explainer.explain(SMOOTH, asked)
        else:
            message = rf"{algorithm}' is not available: .*\(allowed: xrai, integrated_gradients\)"
            with pytest.raises(BadRequest, match=message):
                explainer.explain(SMOOTH, asked)


def test_black_and_white_are_those_of_the_images_own_normalisation(checkpoints: Path) -> None:
    preprocessing = family(checkpoints / "vit").preprocessing  # mean and std are 0.5
    black, white = baselines_of(["black", "white"], torch.zeros(3, 4, 4), preprocessing)
    torch.testing.assert_close(black, torch.full((3, 4, 4), -1.0))
    torch.testing.assert_close(white, torch.full((3, 4, 4), 1.0))


def test_a_checkpoints_own_code_is_never_run(tmp_path: Path) -> None:
    folder = save_checkpoint("resnet", tmp_path)
    for file in (folder / "config.json", folder / "preprocessor_config.json"):
        values = json.loads(file.read_text())
        auto = {"AutoModelForImageClassification": "evil.Model", "AutoImageProcessor": "evil.P"}
        file.write_text(json.dumps({**values, "auto_map": auto}))
    (folder / "evil.py").write_text("raise SystemExit('run')")
    network = family(folder).build(num_classes=2, image_size=64, pretrained=True)
    assert "evil" not in json.dumps(family(folder).describe(network.eval(), 64))


def test_licence_and_name_are_recorded(checkpoints: Path, tmp_path: Path) -> None:
    source = save_checkpoint("resnet", tmp_path / "checkpoint")
    (source / "README.md").write_text("---\nlicense: apache-2.0\ntags: [a]\n---\n# A model\n")
    expected = {"name": str(source), "revision": None, "licence": "apache-2.0"}
    assert family(source).source() == expected
    folder = model_folder(str(source), tmp_path / "model", pretrained=True)
    assert folder.facts.provenance["model"] == expected
    assert describe_checkpoint(str(checkpoints / "vit")).licence is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
         r"no model.safetensors \(it has pytorch_model.bin\).*save_pretrained"),
        (lambda f: (f / "config.json").unlink(), "no config.json; is it a model of transformers"),
        (lambda f: (f / "config.json").write_text('{"model_type": "bert"}'),
         "no image classifier of transformers: unknown model_type 'bert'"),
        (lambda f: (f / "config.json").write_text(
            (f / "config.json").read_text().replace('"depths": [', '"depths": [2, ', 1)
            .replace("1,\n    1\n  ],", "1\n  ],", 1)), "would start at random"),
    ],
)  # fmt: skip
def test_checkpoints_that_cannot_be_used(tmp_path: Path, change: Any, message: str) -> None:
    save_checkpoint("resnet", tmp_path)
    change(tmp_path)
    with pytest.raises(UsageError, match=message):
        recipe(str(tmp_path)).build(pretrained=True, weights=None)
