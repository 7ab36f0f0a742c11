"""Images of a batch read side by side where reading them means waiting for a network."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast, runtime_checkable

from torch.utils.data import Sampler

from training.data.records import Record
from training.data.remote_images import REQUESTS, RemoteImage

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


def waits_for_network(records: Iterable[Record]) -> bool:
    """Whether any image of the records is remote."""
    return any(isinstance(record.image, RemoteImage) for record in records)


class SideBySide(Generic[Item, Result]):
    """Calls a function for many items, in threads of this process or one after the other.

    The threads begin with the first call: a data set is made before its workers are forked.
    """

    def __init__(self, function: Callable[[Item], Result], *, parallel: bool) -> None:
        self._function = function
        self._parallel = parallel
        self._begun: dict[Item, Future[Result]] = {}

    def map(self, items: Sequence[Item], *, then: Sequence[Item] = ()) -> Iterator[Result]:
        """Yield the results in order, the first ones while later ones are being made.

        `then` are items of the next call, which are begun as soon as threads are free.
        """
        if not self._parallel:
            return map(self._function, items)
        wanted = [
            self._begun.pop(item) if item in self._begun else self._begin(item) for item in items
        ]
        self._begun |= {item: self._begin(item) for item in then if item not in self._begun}
        return (future.result() for future in wanted)

    def _begin(self, item: Item) -> "Future[Result]":
        return self._pool.submit(self._function, item)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(REQUESTS, "images")


class Announced(Sampler[tuple[int, ...]]):
    """The keys (epoch, index) of another sampler, each with the index that comes `distance` later.

    With a distance of batch size times workers, a batch announces the next one of its worker. The
    last keys of an epoch announce nothing.
    """

    def __init__(self, keys: Sampler[tuple[int, int]], *, distance: int) -> None:
        self._keys = keys
        self._distance = distance

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        if isinstance(self._keys, _HasEpochs):
            self._keys.set_epoch(epoch)

    def __len__(self) -> int:
        return len(cast(Sized, self._keys))  # all of ours have one, torch's base class has not

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        waiting: deque[tuple[int, int]] = deque()
        for key in self._keys:
            waiting.append(key)
            if len(waiting) > self._distance:
                yield *waiting.popleft(), key[1]
        yield from waiting


@runtime_checkable
class _HasEpochs(Protocol):
    def set_epoch(self, epoch: int) -> None: ...


def read_image(image: Path | RemoteImage) -> bytes:
    """Return an image file's bytes."""
    return image.read_bytes()
