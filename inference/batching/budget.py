"""Bytes that may be in use at a time."""

import threading


class ByteBudget:
    """A limit on memory that threads wait for, in the order in which they come.

    Who asks for more than there is passes alone, when nothing is in use: a wait always ends.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._arrived = 0
        self._passed = 0
        self._changed = threading.Condition()

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self._used

    @property
    def waiting(self) -> int:
        """Threads that wait."""
        return self._arrived - self._passed

    def acquire(self, count: int) -> None:
        """Wait until `count` bytes are free, then use them."""
        with self._changed:
            turn = self._arrived
            self._arrived += 1
            self._changed.wait_for(
                lambda: (
                    self._passed == turn and (not self._used or self._used + count <= self._limit)
                )
            )
            self._passed += 1
            self._used += count
            self._changed.notify_all()

    def add(self, count: int) -> None:
        """Use `count` bytes that are there already, at once."""
        with self._changed:
            self._used += count

    def release(self, count: int) -> None:
        """Give bytes back."""
        with self._changed:
            self._used -= count
            self._changed.notify_all()
