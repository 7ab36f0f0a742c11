"""What every engine does, and where it can run."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from inference.errors import UsageError
from inference.names import unknown_name

Result = TypeVar("Result")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
DEVICES = ("auto", "cpu", "cuda")
Outputs = Sequence[Any]  # arrays in the order of the graph, NumPy's or torch's, on any device


class Engine(Protocol):
    """A model on a device. Called by at most `lanes` threads at a time.

    With several lanes single images are the best batches: each call takes a part of the cores.
    """

    name: str
    device: str
    lanes: int

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """Images (N, H, W, 3), RGB and not yet normalised, to what the network computes."""
        ...

    def masks(self, features: Outputs, rois: Any, label_ids: Any) -> Any:
        """Mask probabilities (R, M, M) of rois (R, 5), image id and box."""
        ...

    def guard(self, compute: Callable[[], Result]) -> Result:
        """Call something that uses the engine, and all of whose results are on the CPU.

        Raises MemoryError when a batch is too large for the device; a smaller one may pass.
        Raises DeviceLost when every later call would fail as well.
        """
        ...


def as_numpy(array: Any) -> NDArray[Any]:
    """Bring one of an engine's outputs into NumPy, from whichever device it is on."""
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)


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
    """Count the CPU cores that this process may use, at least 1: its affinity and its quota."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    try:
        limit = _CPU_QUOTA.read_text(encoding="ascii")
    except OSError:
        return cores
    return min(cores, cores_of_quota(limit) or cores)


def cores_of_quota(cpu_max: str) -> int | None:
    """Cores that a container's quota is worth, rounded up; None if it has none.

    cpu_max is cgroup v2's file of that name: microseconds, or "max", per so many microseconds.
    """
    quota, period = cpu_max.split()
    return None if quota == "max" else math.ceil(int(quota) / int(period))
