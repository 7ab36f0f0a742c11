"""Model folders with random weights, small enough to be built in every test run."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from inference.families import DetectorFamily, classifier_named, detector_named
from inference.model_folder import (
    SCHEMA_VERSION,
    ModelFacts,
    ModelFolder,
    Preprocessing,
    open_model_folder,
)
from inference.networks import build_network
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from inference.settings import ClassificationSettings, settings_class
from inference.types import Task
from training.export import write_model
from training.onnx_export import export_classifier, export_detector


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
    """Write a classifier's complete model folder into `path` (made if missing) and open it.

    The weights are random but repeatable: the global generator is left as it was.
    """
    fixed_size = classifier_named(family).fixed_size
    facts = ModelFacts(
        schema_version=SCHEMA_VERSION,
        task=task,
        family=family,
        image_size=image_size,
        fixed_size=fixed_size,
        labels=tuple(labels),
        preprocessing=Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD),
        files={},
    )
    write_model(
        path,
        random_network(facts, seed),
        facts,
        ClassificationSettings(valid_resize_size=resize_size, valid_crop_size=crop_size),
        write_graphs=partial(export_classifier, image_size=image_size, fixed_size=fixed_size)
        if onnx
        else None,
    )
    return open_model_folder(path)


def write_detector_folder(
    path: Path,
    *,
    family: str = "fasterrcnn_resnet18_fpn",
    labels: Sequence[str] = ("a", "b", "c"),
    settings: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    object_px: float | None = None,
    seed: int = 0,
    onnx: bool = False,
) -> ModelFolder:
    """Write a detector's complete model folder into `path` and open it; see write_model_folder."""
    kind: DetectorFamily = detector_named(family)
    (task,) = kind.tasks
    values = settings_class(task, kind.canvas)(**settings)
    size = values.model_dump().get("img_size") or values.model_dump()["min_size"]
    facts = ModelFacts(
        schema_version=SCHEMA_VERSION,
        task=task,
        family=family,
        image_size=size,
        canvas=kind.canvas,
        options=dict(options or {}),
        object_px=object_px,
        labels=tuple(labels),
        preprocessing=Preprocessing(mean=kind.mean, std=kind.std),
        files={},
    )
    write_model(
        path,
        random_network(facts, seed),
        facts,
        values,
        write_graphs=partial(export_detector, family=kind, size=size) if onnx else None,
    )
    return open_model_folder(path)


def random_network(facts: ModelFacts, seed: int) -> torch.nn.Module:
    """Build a network with weights that `seed` decides; in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(facts).eval()
