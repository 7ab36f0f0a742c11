"""A model that several threads run at the same time."""

import pytest

from inference.batching import Costs, MicroBatcher
from inference.errors import DeviceLost
from tests.inference.batchers import Model, batcher, done, submit


def test_lanes_run_at_the_same_time_and_the_rest_waits_for_one_of_them() -> None:
    model = Model()
    with batcher(model, max_batch=1, lanes=2) as running:
        futures = [submit(running, i) for i in (1, 2, 3)]
        model.wait_begun()
        model.wait_begun()
        assert sorted(model.batches) == [[1], [2]]
        model.let_end(1)
        model.wait_begun()
        assert model.batches[2] == [3]
        model.let_end()
        assert [done(future) for future in futures] == [10, 20, 30]


def test_a_device_that_is_lost_in_every_lane_is_lost_once() -> None:
    model = Model(deadly=1)
    lost: list[str] = []
    running = MicroBatcher(
        model, costs=Costs(1), lanes=2, on_device_lost=lambda: lost.append("lost")
    )
    futures = [submit(running, 1) for _ in range(3)]
    model.wait_begun()
    model.wait_begun()
    model.let_end()
    for future in futures:
        with pytest.raises(DeviceLost):
            done(future)
    running.close()
    assert lost == ["lost"]
