"""Engines: a batch of crops in, logits out. One file per runtime, found by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from inference.engine.base import DEVICES, Engine, resolve_device, usable_cores
from inference.errors import UsageError
from inference.model_folder import ModelFolder
from inference.names import unknown_name

__all__ = [
    "AUTO",
    "DEVICES",
    "ENGINES",
    "EXACT_ENGINES",
    "Engine",
    "load_engine",
    "resolve_device",
    "usable_cores",
]


class _Load(Protocol):
    def __call__(self, folder: ModelFolder, *, device: str, threads: int) -> Engine: ...


# Name of an engine to the module and function that load one: imported when used, since each
# runtime takes a second and hundreds of megabytes.
ENGINES: Mapping[str, tuple[str, str]] = {
    "torch": ("inference.engine.torch_engine", "load"),
    "torch_bf16": ("inference.engine.torch_engine", "load_bf16"),
    "torch_fp16": ("inference.engine.torch_engine", "load_fp16"),
    "torch_compiled": ("inference.engine.torch_engine", "load_compiled"),
    "onnxruntime": ("inference.engine.onnx_engine", "load"),
}
AUTO = "auto"  # stands for the fastest of them; see engine_choice
EXACT_ENGINES = ("torch", "onnxruntime")  # in float32: their answers differ by rounding alone


def load_engine(
    folder: ModelFolder, *, name: str = "torch", device: str = "auto", threads: int | None = None
) -> Engine:
    """Load a model into an engine, on `device` "auto", "cpu" or "cuda".

    `threads` is the number of CPU threads one batch may use, by default one per usable core.
    Raises UsageError for an unknown name or a device that is not there, and ModelFolderError when
    the folder cannot be computed as its settings ask.
    """
    if name not in ENGINES:
        raise UsageError(unknown_name("engine", name, (AUTO, *ENGINES)))
    module, function = ENGINES[name]
    load = cast(_Load, getattr(import_module(module), function))
    return load(folder, device=resolve_device(device), threads=threads or usable_cores())
