"""What every engine does, and where it can run."""

import os
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.errors import UsageError
from inference.names import unknown_name

DEVICES = ("auto", "cpu", "cuda")


class Engine(Protocol):
    """A model on a device. Called by one thread at a time.

    Raises MemoryError when the batch is too large for the device; a smaller one may pass.
    """

    name: str
    device: str

    def __call__(self, crops_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (N, S, S, 3), RGB and not yet normalised, to logits (N, C)."""
        ...


def resolve_device(device: str) -> str:
    """Turn "auto" into "cuda" if this machine has a usable GPU, else into "cpu".

    Raises UsageError for an unknown device, and for "cuda" where there is none.
    """
    if device not in DEVICES:
        raise UsageError(unknown_name("device", device, DEVICES))
    if device == "cpu":
        return device
    import torch  # costs seconds and memory that onnxruntime on a CPU never needs

    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise UsageError("device 'cuda' was asked for, but no usable CUDA GPU was found")
    return "cuda" if has_cuda else "cpu"


def usable_cores() -> int:
    """Count the CPU cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
