"""A place in the queue: one image on its way, from admission until its future ends."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Part = TypeVar("Part")


class Priority(Enum):
    """Who waits for an image; the value is how many seconds it may wait without harm."""

    INTERACTIVE = 1.0
    FOLDER = 10.0


@dataclass(slots=True, eq=False)
class Ticket(Generic[Item, Part]):
    """An admitted image. Written to by the batcher only, under its lock.

    payload is what the caller needs to make the items, size_bytes what it weighs at the door.
    Times are those of the batcher's clock, in seconds; deadline is infinite where none was given.
    items and parts belong together: what goes into the model and what came out of it; of these
    `unrun` have not been given to the model and `left` have not come out. forward_s is the time of
    the batches that they were in, batch_size the largest of these.
    """

    payload: Any
    size_bytes: int
    admitted_at: float
    due: float
    deadline: float
    future: "Future[Any]" = field(default_factory=Future)
    is_open: bool = True
    items: Sequence[Item] = ()
    parts: list[Part | None] = field(default_factory=list)
    unrun: int = 0
    left: int = 0
    forward_s: float = 0.0
    batch_size: int = 0

    def prepared(self, items: Sequence[Item]) -> None:
        """Give it what goes into the model."""
        self.items = items
        self.parts = [None] * len(items)
        self.unrun = self.left = len(items)

    def can_expire(self) -> bool:
        """Whether some of it has not been given to the model."""
        return not self.items or self.unrun > 0

    def close(self) -> None:
        """End it, and let go of what it holds: its place in a heap may outlive it."""
        self.is_open = False
        self.payload = None
        self.items = ()
        self.parts = []
