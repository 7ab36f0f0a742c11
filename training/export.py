"""A trained network to a model folder, and the proof that the folder computes the same."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from inference.errors import ModelFolderError
from inference.families import Family
from inference.files import sha256_of
from inference.model_folder import (
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
from inference.predictor import Predictor
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD, normalize, resize_and_crop
from inference.settings import ClassificationSettings, write_settings
from inference.types import Task, probabilities
from training.mlflow_files import write_mlflow_files
from training.onnx_export import export_onnx

TOLERANCE = 1e-4  # largest difference of a probability between two ways to compute it


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """What an export needs to know besides the weights."""

    task: Task
    family: Family
    labels: Sequence[str]
    image_size: int
    settings: ClassificationSettings
    metrics: Mapping[str, float]
    provenance: Mapping[str, Any]


def export_model(path: Path, network: nn.Module, trained: TrainedClassifier) -> dict[str, float]:
    """Write the model folder `path`, whole or not at all; return the parity differences by engine.

    Raises ModelFolderError when eager, ONNX and the server's code disagree about a probability.
    """
    network = network.cpu().to(memory_format=torch.contiguous_format).eval()
    staging = path.with_name(f".{path.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    save_file(network.state_dict(), staging / WEIGHTS_FILE)
    (staging / WEIGHTS_FILE).chmod(0o644)  # a container's user must be able to read it too
    export_onnx(
        network,
        staging / ONNX_FILE,
        image_size=trained.image_size,
        fixed_size=trained.family.fixed_size,
    )
    write_settings(staging / SETTINGS_FILE, trained.settings)
    write_facts(staging, _facts(staging, trained))
    write_mlflow_files(staging)
    differences = parity(network, open_model_folder(staging))
    shutil.rmtree(path, ignore_errors=True)
    staging.rename(path)
    return differences


def parity(network: nn.Module, folder: ModelFolder) -> dict[str, float]:
    """Largest difference of a probability between `network` in memory and each engine's answer.

    The engines get encoded images and go the whole way that the server goes: decoding,
    preprocessing, batching. Raises ModelFolderError over a difference of 1e-4.
    """
    files = [_png(image) for image in _fixed_images()]
    expected = _expected(network, folder)
    differences = {}
    for engine in ("torch", "onnxruntime"):
        with Predictor(folder, engine=engine, device="cpu") as predictor:
            answers = np.stack([scores.probs for scores in predictor.score_all(files)])
        differences[engine] = float(np.abs(answers - expected).max())
        if not differences[engine] <= TOLERANCE:
            raise ModelFolderError(
                f"{folder.path}: engine {engine} differs from the trained network by "
                f"{differences[engine]:.1e} in probability, allowed {TOLERANCE:.0e}"
            )
    return differences


def _expected(network: nn.Module, folder: ModelFolder) -> NDArray[np.float32]:
    settings = folder.settings
    crops = [
        resize_and_crop(
            image, resize_size=settings.valid_resize_size, crop_size=settings.valid_crop_size
        )
        for image in _fixed_images()
    ]
    with torch.inference_mode():
        logits = network(torch.from_numpy(normalize(np.stack(crops)))).numpy()
    return probabilities(logits, folder.facts.task)


def _fixed_images() -> list[NDArray[np.uint8]]:
    """A black image, noise, and two smooth ones of other shapes."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:300, 0:200]
    smooth = np.stack([rows % 256, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    return [np.zeros((64, 64, 3), np.uint8), noise, smooth, smooth.transpose(1, 0, 2)]


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _facts(staging: Path, trained: TrainedClassifier) -> ModelFacts:
    return ModelFacts(
        schema_version=SCHEMA_VERSION,
        task=trained.task,
        family=trained.family.name,
        image_size=trained.image_size,
        fixed_size=trained.family.fixed_size,
        labels=tuple(trained.labels),
        preprocessing=Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD),
        files={name: sha256_of(staging / name) for name in (WEIGHTS_FILE, ONNX_FILE)},
        metrics=dict(trained.metrics),
        provenance=dict(trained.provenance),
    )
