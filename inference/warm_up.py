"""The first batches of a model, which take longer than others, and what the next ones cost."""

import time
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from inference.batching import Costs
from inference.pipeline import Pipeline
from inference.settings import Settings

_IMAGE_HW = (480, 640)  # of an ordinary shape
_TIMED_RUNS = 3  # of one size, of which the fastest counts: whatever disturbs makes it slower
_TIMED_S = 0.5  # and no further ones after so many seconds


@dataclass(frozen=True, slots=True)
class Warm:
    """What the batch sizes cost, and the key of the items that were run."""

    costs: Costs
    key: Hashable


def warm_up(pipeline: Pipeline, settings: Settings, *, max_batch: int) -> Warm:
    """Run each batch size with a blank image and time it.

    Sizes too large for the memory are left out of the costs. Raises MemoryError when 1 is.
    """
    item = pipeline.prepare(np.zeros((*_IMAGE_HW, 3), np.uint8), settings)[0]
    warm = Warm(Costs(max_batch), pipeline.key(item))
    for size in warm.costs.sizes:
        try:
            seconds = _fastest_s(pipeline, [item] * size)
        except MemoryError:
            if size == 1:
                raise
            warm.costs.refuse(warm.key, size)
            break
        warm.costs.enter(warm.key, size, seconds)
    return warm


def _fastest_s(pipeline: Pipeline, items: list[object]) -> float:
    pipeline.run(items)
    taken: list[float] = []
    while len(taken) < _TIMED_RUNS and sum(taken) < _TIMED_S:
        begin = time.perf_counter()
        pipeline.run(items)
        taken.append(time.perf_counter() - begin)
    return min(taken)
