"""Leases: who works on what, told by files whose owners keep them fresh.

A lease saves work, nothing else: where two hold the same one, because a process was taken for dead
too early, both do the same part and the same file results.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.part_store import PartStore

DEFAULT_S = 30.0
_PID_NAMESPACE = Path("/proc/self/ns/pid")  # containers may share a host's name


class Leases:
    """The leases of one process in a store.

    A lease is stale when its owner, a process of this machine, is gone, or when the store has given
    it no new stamp for `seconds` while this process was watching: no two machines' clocks are
    compared. Safe for one thread.
    """

    def __init__(
        self,
        store: PartStore,
        *,
        seconds: float = DEFAULT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._owner = f"{_host()} {os.getpid()}".encode()
        self._seen: dict[str, tuple[object, float]] = {}

    @property
    def poll_s(self) -> float:
        """How long to wait before looking again whether something has become free."""
        return min(1.0, self._seconds / 4)

    def acquire(self, name: str) -> bool:
        """Take a lease that nobody has, or a stale one."""
        if self._store.create(name, self._owner):
            return True
        return self._is_stale(name) and self.seize(name)

    def seize(self, name: str) -> bool:
        """Take a lease from whoever has it."""
        self._store.delete(name)
        return self._store.create(name, self._owner)

    def release(self, name: str) -> None:
        """Give a lease back, unless it was taken over."""
        self._seen.pop(name, None)
        if self._store.read(name) == self._owner:
            self._store.delete(name)

    @contextmanager
    def kept(self, name: str) -> Iterator[None]:
        """Keep an acquired lease fresh, and release it at the end."""
        done = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(name, done), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()
            self.release(name)

    def _keep(self, name: str, done: threading.Event) -> None:
        while not done.wait(self._seconds / 3):
            try:
                if self._store.read(name) != self._owner:  # it was taken over
                    return
                self._store.renew(name, self._owner)
            except OSError:  # a hiccup; the next time may be early enough
                continue

    def _is_stale(self, name: str) -> bool:
        owner, stamp = self._store.read(name), self._store.stamp(name)
        if owner is None or stamp is None:
            return False  # just released: the next call takes it
        if _is_gone(owner.decode()):
            return True
        seen_stamp, since = self._seen.get(name, (None, 0.0))
        if stamp != seen_stamp:
            self._seen[name] = (stamp, self._clock())
            return False
        return self._clock() - since > self._seconds


def _host() -> str:
    namespace = _PID_NAMESPACE.readlink().name if _PID_NAMESPACE.exists() else ""
    return f"{socket.gethostname()}/{namespace}"


def _is_gone(owner: str) -> bool:
    """Whether a lease's owner was a process of this machine that does not run any more."""
    host, _, pid = owner.rpartition(" ")
    if host != _host():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is another user's
        pass
    return False
