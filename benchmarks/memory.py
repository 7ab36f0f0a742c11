"""How much memory a call takes at most."""

import ctypes
from collections.abc import Callable
from pathlib import Path

_MB = 1000.0


def peak_mb(call: Callable[[], object]) -> float:
    """MB that the process grows by at most while `call` runs (Linux, glibc)."""
    ctypes.CDLL(None).malloc_trim(0)  # what earlier calls left would be used again, unseen
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the old peak
    before = _status_kb("VmRSS")
    call()
    return (_status_kb("VmHWM") - before) / _MB


def _status_kb(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
