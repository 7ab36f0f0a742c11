"""What a batch costs by its key and size, as measured, and how large batches should be."""

from collections.abc import Hashable

_SMOOTHING = 0.2  # weight of the newest batch, for all sizes of its key alike
_RESHAPING = 0.01  # and for its own size against the others, which hardly ever changes
_OUTLIER = 2.0  # a batch counts as at most so many times its entry
_LEAST_S = 1e-6  # a coarse clock may say 0
_TOLERANCE = 1.05  # seconds per item, against the best ones, that are as good


def smoothed(old: float, newest: float) -> float:
    """Move a measured time towards the newest one; a hiccup of the machine moves it only so far."""
    return old + _SMOOTHING * (min(newest, _OUTLIER * old) - old) if old else newest


class Costs:
    """Seconds of a batch by key and size.

    A key has a table of the seconds that 1, 2, 4 … max_batch items take. Each batch moves its whole
    table towards what it took, since the machine became slower or faster, and its own entry a bit
    more. The size to run is the smallest whose seconds per item are within 5 % of the best; the
    largest one counts as the best until it has been measured.

    The first batch of a size is not counted: it pays for memory, plans and compilation.
    """

    def __init__(self, max_batch: int) -> None:
        self.sizes = (*(2**i for i in range((max_batch - 1).bit_length())), max_batch)
        self._tables: dict[Hashable, dict[int, float]] = {}
        self._begun: set[tuple[Hashable, int]] = set()
        self._largest: dict[Hashable, int] = {}

    def learn(self, key: Hashable, size: int, seconds: float) -> None:
        """Take note of a batch; sizes between those of the table are not needed."""
        if size not in self.sizes:
            return
        if (key, size) not in self._begun:
            self._begun.add((key, size))
            return
        seconds = max(seconds, _LEAST_S)
        table = self._tables.setdefault(key, {})
        old = table.setdefault(size, seconds)
        drift = smoothed(old, seconds) / old
        for known in table:
            table[known] *= drift
        table[size] += _RESHAPING * (min(seconds, _OUTLIER * old) - table[size])

    def enter(self, key: Hashable, size: int, seconds: float) -> None:
        """Set an entry to what was measured beforehand, its first batch left out."""
        self._begun.add((key, size))
        self._tables.setdefault(key, {})[size] = seconds

    def refuse(self, key: Hashable, size: int) -> None:
        """Choose smaller batches from now on: this one was too large for the memory."""
        self._largest[key] = min(max(1, size // 2), self._largest.get(key, size))

    def batch_size(self, key: Hashable, *, at_most: int) -> int:
        """How many items of a key should share a batch if so many wait."""
        at_most = min(at_most, self._largest.get(key, at_most))
        sizes = [size for size in self.sizes if size <= at_most]
        table = self._tables.get(key, {})
        if sizes[-1] not in table:
            return sizes[-1]
        per_item = {size: table[size] / size for size in sizes if size in table}
        good = _TOLERANCE * min(per_item.values())
        return next(size for size, seconds in per_item.items() if seconds <= good)

    def seconds_per_item(self, key: Hashable, *, at_most: int) -> float:
        """What an item takes in a batch of the right size; 0.0 while that is not known."""
        size = self.batch_size(key, at_most=at_most)
        return self._tables.get(key, {}).get(size, 0.0) / size
