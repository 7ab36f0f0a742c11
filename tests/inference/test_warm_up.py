from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from inference.settings import ClassificationSettings
from inference.warm_up import warm_up

SETTINGS = ClassificationSettings()


class Fake:
    """A pipeline whose batches of more than `largest` items do not fit."""

    engine: Any = None

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.sizes: list[int] = []

    def prepare(self, image_rgb: np.ndarray, settings: Any) -> Sequence[np.ndarray]:
        return [image_rgb[:8, :8]]

    def key(self, item: np.ndarray) -> tuple[int, ...]:
        return item.shape

    def run(self, items: Sequence[Any]) -> Sequence[Any]:
        self.sizes.append(len(items))
        if len(items) > self.largest:
            raise MemoryError("too large")
        return items

    def finish(self, items: Sequence[Any], parts: Sequence[Any]) -> Any:
        return parts[0]


def test_every_batch_size_runs_once_and_then_for_its_time() -> None:
    pipeline = Fake(largest=6)
    warm = warm_up(pipeline, SETTINGS, max_batch=6)
    assert warm.key == (8, 8, 3)
    assert pipeline.sizes == [size for size in (1, 2, 4, 6) for _ in range(4)]
    assert 0 < warm.costs.seconds_per_item(warm.key, at_most=6) < 0.1


def test_sizes_too_large_for_the_memory_are_not_chosen() -> None:
    pipeline = Fake(largest=3)
    warm = warm_up(pipeline, SETTINGS, max_batch=8)
    assert max(pipeline.sizes) == 4
    assert warm.costs.batch_size(warm.key, at_most=8) <= 2


def test_a_model_that_fits_no_image_at_all_is_an_error() -> None:
    with pytest.raises(MemoryError, match="too large"):
        warm_up(Fake(largest=0), SETTINGS, max_batch=8)
