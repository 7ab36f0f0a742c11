"""A trained network to a model folder, and the proof that the folder computes the same."""

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from inference.files import sha256_of
from inference.model_folder import (
    SETTINGS_FILE,
    WEIGHTS_FILE,
    ModelFacts,
    ModelFolder,
    open_model_folder,
    write_facts,
)
from inference.settings import Settings, write_settings
from training.mlflow_files import write_mlflow_files

WriteGraphs = Callable[[nn.Module, Path], None]  # network, folder
Check = Callable[[nn.Module, ModelFolder], dict[str, float]]  # raises ModelFolderError


def export_model(
    path: Path,
    network: nn.Module,
    facts: ModelFacts,
    settings: Settings,
    *,
    write_graphs: WriteGraphs | None,
    check: Check,
) -> dict[str, float]:
    """Write the model folder `path`, whole or not at all; return what `check` measured.

    The hashes in `facts` are filled in; without `write_graphs` there is no ONNX. Raises
    ModelFolderError when `check` finds that an engine does not compute what the network in memory
    does.
    """
    network = network.cpu().to(memory_format=torch.contiguous_format).eval()
    staging = path.with_name(f".{path.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    write_model(staging, network, facts, settings, write_graphs=write_graphs)
    write_mlflow_files(staging, facts.task)
    differences = check(network, open_model_folder(staging))
    shutil.rmtree(path, ignore_errors=True)
    staging.rename(path)
    return differences


def write_model(
    folder: Path,
    network: nn.Module,
    facts: ModelFacts,
    settings: Settings,
    *,
    write_graphs: WriteGraphs | None,
) -> None:
    """Write weights, graphs, facts and settings into `folder`, which is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).chmod(0o644)  # a container's user must be able to read it too
    if write_graphs is not None:
        write_graphs(network, folder)
    files = [folder / WEIGHTS_FILE, *sorted(folder.glob("*.onnx"))]
    hashes = {file.name: sha256_of(file) for file in files}
    write_facts(folder, facts.model_copy(update={"files": hashes}))
    write_settings(folder / SETTINGS_FILE, settings)
