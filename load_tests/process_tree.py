"""Memory and processor time of a server with all its workers."""

from collections.abc import Iterator

import psutil


def tree_mb(pid: int) -> float:
    """Resident memory of a process and its descendants. Raises psutil.NoSuchProcess."""
    return sum(process.memory_info().rss for process in _alive(pid)) / 1e6


def tree_cpu_s(pid: int) -> float:
    """User and system time of a process and its living descendants, as `tree_mb`."""
    return sum(process.cpu_times().user + process.cpu_times().system for process in _alive(pid))


def _alive(pid: int) -> Iterator[psutil.Process]:
    root = psutil.Process(pid)
    yield root
    for child in root.children(recursive=True):
        if child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            yield child
