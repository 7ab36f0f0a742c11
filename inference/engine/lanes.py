"""Whole images side by side on a CPU, each on a part of the cores."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inference.engine.base import Outputs
from inference.race import race

CLASSIFIER_LANES = 8  # at most
_CLEARLY = 0.7
Forward = Callable[[NDArray[np.uint8]], Outputs]


class Lanes:
    """A forward pass that as many threads may call at a time as there are lanes.

    An image that begins alone is run by `alone`, which may use all cores; others, and each image
    of a batch, by `beside`, which leaves cores to the other lanes. A network of many small layers
    gains little from threads that help within a layer and wait for each other after it; whole
    images need not wait.
    """

    def __init__(
        self, count: int, *, alone: Forward, beside: Forward, has_rows: bool = True
    ) -> None:
        """has_rows: each output has a row per image, so that those of single images are joined."""
        self._alone = alone
        self._beside = beside
        self._has_rows = has_rows
        self._threads = ThreadPoolExecutor(count, "lane")
        self._running = 0
        self._lock = threading.Lock()

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """Images (N, H, W, 3) to the network's outputs, NumPy's arrays."""
        if len(images_nhwc) > 1 and self._has_rows:
            singles = [images_nhwc[i : i + 1] for i in range(len(images_nhwc))]
            parts = self._threads.map(self._beside, singles)
            return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        with self._turn() as is_alone:
            return (self._alone if is_alone else self._beside)(images_nhwc)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Run an image in the block; whether it begins alone."""
        with self._lock:
            self._running += 1
            is_alone = self._running == 1
        try:
            yield is_alone
        finally:
            with self._lock:
                self._running -= 1


def faster_alone(wide: Forward, narrow: Forward, image_nhwc: NDArray[np.uint8]) -> Forward:
    """What takes less time for one image: waking threads up costs a small network more.

    Narrow only if that is clear: other work on the machine holds several threads up, not one.
    """
    seconds = race({forward: partial(forward, image_nhwc) for forward in (wide, narrow)})
    return narrow if seconds[narrow] < _CLEARLY * seconds[wide] else wide
