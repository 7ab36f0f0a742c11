"""Tiny checkpoints with random weights, saved as the hub has them, and jobs' recipes for them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from inference.model_folder import ModelFolder, open_model_folder
from inference.types import Task
from training.classification import ClassificationRecipe
from training.hyperparameters import resolve
from training.recipes import TrialData

LABELS = ("a", "b", "c")
_TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 5}


def _square(name: str, side: int, **options: Any) -> Any:
    return getattr(transformers, name)(size={"height": side, "width": side}, **options)


def _short(name: str, short: int, crop: int, **options: Any) -> Any:
    size = {"size": {"shortest_edge": short}, "crop_size": {"height": crop, "width": crop}}
    return getattr(transformers, name)(**size, **options)


# By kind: the configuration and the image processor.
CHECKPOINTS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "vit": lambda: (
        transformers.ViTConfig(**_TINY, intermediate_size=64, image_size=32, patch_size=8),
        _square("ViTImageProcessor", 32),
    ),
    "deit": lambda: (  # distilled: two heads
        transformers.DeiTConfig(
            **_TINY,
            intermediate_size=64,
            image_size=32,
            patch_size=8,
            architectures=["DeiTForImageClassificationWithTeacher"],
        ),
        _short("DeiTImageProcessor", 40, 32),
    ),
    "dinov2": lambda: (
        transformers.Dinov2Config(**_TINY, image_size=28, patch_size=7),
        _short("BitImageProcessor", 32, 28),
    ),
    "resnet": lambda: (
        transformers.ResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16, 16, 32],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            num_labels=5,
        ),
        transformers.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875),
    ),
    "convnext": lambda: (
        transformers.ConvNextConfig(
            hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1], num_labels=5, image_size=64
        ),
        transformers.ConvNextImageProcessor(size={"shortest_edge": 64}),
    ),
    "swin": lambda: (
        transformers.SwinConfig(
            embed_dim=8,
            depths=[1, 1],
            num_heads=[1, 2],
            window_size=4,
            image_size=32,
            patch_size=4,
            num_labels=5,
        ),
        _square("ViTImageProcessor", 32, resample=3),
    ),
}


def save_checkpoint(kind: str, folder: Path) -> Path:
    """Save model and image processor of a kind into `folder`."""
    config, processor = CHECKPOINTS[kind]()
    torch.manual_seed(0)
    model = transformers.AutoModelForImageClassification.from_config(config)
    if kind == "deit":
        model = transformers.DeiTForImageClassificationWithTeacher(config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def recipe(name: str, **parameters: Any) -> ClassificationRecipe:
    """What a job with this `model_name` trains by; without images."""
    task = Task.CLASSIFICATION
    resolved = resolve({"model_name": name, **parameters}, task=task)
    return ClassificationRecipe(TrialData(task, LABELS, (), ()), resolved, seed=0)


def model_folder(name: str, path: Path, *, pretrained: bool, **parameters: Any) -> ModelFolder:
    """Build what a job would and export it, untrained."""
    chosen = recipe(name, pretrained=pretrained, **parameters)
    torch.manual_seed(0)
    network = chosen.build(pretrained=pretrained, weights=None)
    chosen.export(path, network, metrics={}, provenance={"seed": 0})
    return open_model_folder(path)
