"""How much memory a call takes at most."""

import ctypes
from collections.abc import Callable
from pathlib import Path

import torch

_MB = 1000.0


def peak_mb(call: Callable[[], object]) -> float:
    """MB that the GPU's tensors, or without one the process (Linux, glibc), grow by at most."""
    if torch.cuda.is_initialized():
        return _gpu_peak_mb(call)
    ctypes.CDLL(None).malloc_trim(0)  # what earlier calls left would be used again, unseen
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the old peak
    before = _status_kb("VmRSS")
    call()
    return (_status_kb("VmHWM") - before) / _MB


def _gpu_peak_mb(call: Callable[[], object]) -> float:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def _status_kb(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
