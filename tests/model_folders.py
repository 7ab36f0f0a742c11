"""Model folders with random weights, small enough to be built in every test run."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from inference.families import family_named
from inference.files import sha256_of
from inference.model_folder import (
    FACTS_FILE,
    ONNX_FILE,
    SCHEMA_VERSION,
    SETTINGS_FILE,
    WEIGHTS_FILE,
    ModelFacts,
    ModelFolder,
    Preprocessing,
    open_model_folder,
    write_facts,
)
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from inference.settings import ClassificationSettings, write_settings
from inference.types import Task
from training.onnx_export import export_onnx


def write_model_folder(
    path: Path,
    *,
    family: str = "resnet18",
    labels: Sequence[str] = ("a", "b", "c"),
    task: Task = Task.CLASSIFICATION,
    image_size: int = 64,
    resize_size: int = 72,
    crop_size: int = 64,
    seed: int = 0,
    onnx: bool = False,
) -> ModelFolder:
    """Write a complete model folder into `path` (made if missing) and open it.

    The weights are random but repeatable: the global generator is left as it was.
    """
    path.mkdir(parents=True, exist_ok=True)
    network = _random_network(family, len(labels), image_size, seed)
    save_file(network.state_dict(), path / WEIGHTS_FILE)
    if onnx:
        export_onnx(
            network,
            path / ONNX_FILE,
            image_size=image_size,
            fixed_size=family_named(family).fixed_size,
        )
    write_settings(
        path / SETTINGS_FILE,
        ClassificationSettings(valid_resize_size=resize_size, valid_crop_size=crop_size),
    )
    ours = (FACTS_FILE, SETTINGS_FILE)
    files = {file.name: sha256_of(file) for file in path.iterdir() if file.name not in ours}
    facts = ModelFacts(
        schema_version=SCHEMA_VERSION,
        task=task,
        family=family,
        image_size=image_size,
        fixed_size=family_named(family).fixed_size,
        labels=tuple(labels),
        preprocessing=Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD),
        files=dict(sorted(files.items())),
    )
    write_facts(path, facts)
    return open_model_folder(path)


def _random_network(family: str, num_classes: int, image_size: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = family_named(family).build(
            num_classes=num_classes, image_size=image_size, pretrained=False
        )
    return network.eval()
