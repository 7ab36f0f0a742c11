import itertools
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.engine.lanes import Forward, Lanes, faster_alone

Images = NDArray[np.uint8]


def numbered(count: int) -> Images:
    return np.arange(count, dtype=np.uint8)[:, None, None, None]


def named(name: int, *, meanwhile: Callable[[], object] = lambda: None) -> Forward:
    """A forward pass whose rows say who computed which image."""

    def forward(images_nhwc: Images) -> Sequence[NDArray[np.int64]]:
        meanwhile()
        return (np.array([[name, int(image.item())] for image in images_nhwc]),)

    return forward


ALONE, BESIDE = 1, 2


def test_an_image_alone_may_use_all_cores() -> None:
    lanes = Lanes(2, alone=named(ALONE), beside=named(BESIDE))
    for _ in range(2):  # the first one has ended when the second begins
        (rows,) = lanes(numbered(1))
        assert rows.tolist() == [[ALONE, 0]]


def test_images_of_a_batch_are_run_one_by_one_in_order() -> None:
    lanes = Lanes(3, alone=named(ALONE), beside=named(BESIDE))
    (rows,) = lanes(numbered(5))
    assert rows.tolist() == [[BESIDE, i] for i in range(5)]


def test_batches_stay_whole_where_outputs_have_no_rows() -> None:
    lanes = Lanes(2, alone=named(ALONE), beside=named(BESIDE), has_rows=False)
    (rows,) = lanes(numbered(2))
    assert rows.tolist() == [[ALONE, 0], [ALONE, 1]]


def test_an_image_that_begins_beside_another_leaves_it_its_cores() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert may_end.wait(10)

    lanes = Lanes(2, alone=named(ALONE, meanwhile=wait), beside=named(BESIDE))
    first = threading.Thread(target=lanes, args=(numbered(1),))
    first.start()
    assert begun.wait(10)
    (rows,) = lanes(numbered(1))
    may_end.set()
    first.join()
    assert rows.tolist() == [[BESIDE, 0]]


def test_a_failure_is_raised_and_leaves_the_lane_free() -> None:
    def fail() -> None:
        raise ValueError("no such canvas")

    lanes = Lanes(2, alone=named(ALONE, meanwhile=fail), beside=named(BESIDE))
    for _ in range(2):  # the second one is alone again
        with pytest.raises(ValueError, match="no such canvas"):
            lanes(numbered(1))


def takes(*seconds: float) -> Forward:
    """A forward pass whose runs take so many seconds."""
    each = itertools.cycle(seconds)

    def forward(images_nhwc: Images) -> Sequence[Images]:
        time.sleep(next(each))
        return (images_nhwc,)

    return forward


@pytest.mark.parametrize(
    ("wide", "narrow", "faster"),
    [
        (takes(0.001), takes(0.02), "wide"),
        (takes(0.02), takes(0.001), "narrow"),
        (takes(0.012), takes(0.01), "wide"),  # perhaps disturbed
        (takes(0.001, 0.05), takes(0.02), "wide"),  # some of its runs were disturbed
    ],
)
def test_an_image_alone_has_the_threads_that_serve_it_faster(
    wide: Forward, narrow: Forward, faster: str
) -> None:
    chosen = faster_alone(wide, narrow, numbered(1))
    assert chosen is {"wide": wide, "narrow": narrow}[faster]
