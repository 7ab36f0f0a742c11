"""A batcher with a clock and a model that move when a test says so."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from inference.batching import Costs, MicroBatcher
from inference.errors import DeviceLost

WAIT_S = 10  # no test waits that long; it only ends one that would hang


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Model:
    """Multiplies by 10. Begins and ends each batch when told; refuses what it is told to refuse."""

    def __init__(self, *, bad: Any = None, deadly: Any = None, largest: int = 100) -> None:
        self.bad = bad
        self.deadly = deadly
        self.largest = largest
        self.batches: list[list[Any]] = []
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)

    def __call__(self, items: list[Any]) -> list[Any]:
        self.batches.append(items)
        self._begun.release()
        assert self._may_end.acquire(timeout=WAIT_S)
        if len(items) > self.largest:
            raise MemoryError(f"{len(items)} are too many")
        if self.bad in items:
            raise ValueError(f"cannot take {self.bad}")
        if self.deadly in items:
            raise DeviceLost("an illegal memory access was encountered")
        return [item * 10 for item in items]

    def wait_begun(self) -> None:
        assert self._begun.acquire(timeout=WAIT_S)

    def let_end(self, batches: int = 100) -> None:
        self._may_end.release(batches)


@contextmanager
def batcher(model: Any, *, max_batch: int = 8, **options: Any) -> Iterator[MicroBatcher[Any, Any]]:
    running = MicroBatcher(model, costs=Costs(max_batch), **options)
    try:
        yield running
    finally:
        if isinstance(model, Model):
            model.let_end()
        running.close()


def submit(running: MicroBatcher[Any, Any], *items: Any, **options: Any) -> "Future[Any]":
    """Admit and start one image with these items."""
    (ticket,) = running.admit(["image"], **options)
    running.start(ticket, items)
    return ticket.future


def done(future: "Future[Any]") -> Any:
    (value,) = future.result(timeout=WAIT_S)
    return value
