"""A batch through a model that may fail: each item gets its own result or its own error."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from inference.batching.schedule import Entry
from inference.batching.tickets import Item, Part, Ticket
from inference.errors import DeviceLost


@dataclass(frozen=True, slots=True)
class Ran(Generic[Item, Part]):
    """One call of the model, with a part per entry, or the error of its only one.

    If there is neither, the entries were too large for the memory together and come again.
    """

    entries: Sequence[Entry[Item, Part]]
    seconds: float
    parts: Sequence[Part] = ()
    error: Exception | None = None

    def tickets(self) -> list[Ticket[Item, Part]]:
        """Whose entries they are, each once."""
        return list(dict.fromkeys(entry.ticket for entry in self.entries))


def run_divided(
    model: Callable[[list[Item]], Sequence[Part]],
    entries: Sequence[Entry[Item, Part]],
    *,
    clock: Callable[[], float],
) -> Iterator[Ran[Item, Part]]:
    """Run entries together; after a MemoryError in halves, after any other error one by one.

    Raises DeviceLost as the model does: nothing else can be run then.
    """
    begin = clock()
    try:
        parts = model([entry.item for entry in entries])
        if len(parts) != len(entries):
            raise RuntimeError(f"{len(entries)} items gave {len(parts)} results")
    except DeviceLost:
        raise
    except Exception as raised:  # whatever a model raises belongs to the item that caused it
        if len(entries) == 1:
            yield Ran(entries, clock() - begin, error=raised)
            return
        is_too_large = isinstance(raised, MemoryError)
    else:
        yield Ran(entries, clock() - begin, parts)
        return
    # Not in the handler: there the error's frames still hold the memory that is wanted back.
    if is_too_large:
        yield Ran(entries, clock() - begin)
    size = len(entries) // 2 if is_too_large else 1
    for i in range(0, len(entries), size):
        wanted = [entry for entry in entries[i : i + size] if entry.ticket.is_open]
        if wanted:  # else they have been cancelled, or another tile of their image has failed
            yield from run_divided(model, wanted, clock=clock)
