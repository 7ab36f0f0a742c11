"""Engines that are wrong, slow or missing, for the choice among engines."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from inference.engine import Engine
from inference.engine.torch_engine import load
from inference.errors import DeviceLost, ModelFolderError, UsageError
from inference.model_folder import ModelFolder


class Changed:
    """Another engine whose logits are changed, some time later."""

    def __init__(self, engine: Engine, *, added: float, seconds: float) -> None:
        self.name, self.device = "changed", engine.device
        self._engine, self._added, self._seconds = engine, added, seconds

    def guard(self, compute: Callable[[], Any]) -> Any:
        return self._engine.guard(compute)

    def __call__(self, images_nhwc: np.ndarray) -> Any:
        time.sleep(self._seconds)
        (logits,) = self._engine(images_nhwc)
        changed = logits.clone()
        changed[:, 0] += self._added
        return (changed,)


def load_wrong(folder: ModelFolder, *, device: str, threads: int) -> Changed:
    return Changed(load(folder, device=device, threads=threads), added=0.3, seconds=0)


def load_slow(folder: ModelFolder, *, device: str, threads: int) -> Changed:
    return Changed(load(folder, device=device, threads=threads), added=0, seconds=0.5)


def load_missing(folder: ModelFolder, *, device: str, threads: int) -> Changed:
    raise ModelFolderError("its runtime is not installed")


def load_on_a_dead_device(folder: ModelFolder, *, device: str, threads: int) -> Changed:
    raise DeviceLost("the device fell off the bus")


def load_refused(folder: ModelFolder, *, device: str, threads: int) -> Changed:
    raise UsageError("its compiler is gone")
