"""Engines: a batch of crops in, logits out. One file per runtime, found by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from inference.engine.base import DEVICES, Engine, resolve_device, usable_cores
from inference.errors import UsageError
from inference.model_folder import ModelFolder
from inference.names import unknown_name

__all__ = ["DEVICES", "ENGINES", "Engine", "load_engine", "resolve_device", "usable_cores"]


class _Load(Protocol):
    def __call__(self, folder: ModelFolder, *, device: str, threads: int) -> Engine: ...


# Name of an engine to the module whose `load` makes one: imported when used, since each runtime
# takes a second and hundreds of megabytes.
ENGINES: Mapping[str, str] = {
    "torch": "inference.engine.torch_engine",
    "onnxruntime": "inference.engine.onnx_engine",
}


def load_engine(
    folder: ModelFolder, *, name: str = "torch", device: str = "auto", threads: int | None = None
) -> Engine:
    """Load a model into an engine, on `device` "auto", "cpu" or "cuda".

    `threads` is the number of CPU threads one batch may use, by default one per usable core.
    Raises UsageError for an unknown name or a device that is not there, and ModelFolderError when
    the folder cannot be computed as its settings ask.
    """
    if name not in ENGINES:
        raise UsageError(unknown_name("engine", name, ENGINES))
    load = cast(_Load, import_module(ENGINES[name]).load)
    return load(folder, device=resolve_device(device), threads=threads or usable_cores())
