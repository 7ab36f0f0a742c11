"""When two engines of a detector say the same."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from inference.agreement import difference
from inference.canvas import Canvas, Geometry
from inference.detect import DetectionPipeline, View
from inference.families import detector_named
from inference.settings import ShortSideSettings

Boxes = list[list[float]]
A, SHIFTED, FAR = [0.0, 0.0, 10.0, 10.0], [0.0, 1.0, 10.0, 11.0], [50.0, 50.0, 60.0, 60.0]
NOWHERE = [0.0, 0.0, 0.0, 0.0]


class Says:
    """An engine that finds the same in every image of a batch."""

    lanes = 1

    def __init__(self, boxes: Boxes, scores: list[float]) -> None:
        self._boxes = torch.tensor(boxes)[:, None]
        self._scores = torch.tensor(scores)[:, None]

    def __call__(self, images: Any) -> tuple[torch.Tensor, ...]:
        count = len(images)
        image_ids = torch.arange(count).repeat_interleave(len(self._boxes))
        return self._boxes.repeat(count, 1, 1), self._scores.repeat(count, 1), image_ids


def pipeline(boxes: Boxes, scores: list[float]) -> DetectionPipeline:
    engine: Any = Says(boxes, scores)
    return DetectionPipeline(
        engine, family=detector_named("fasterrcnn_resnet18_fpn"), labels=("thing",)
    )


def view() -> View:
    canvas = Canvas(
        np.zeros((64, 64, 3), np.uint8), Geometry((1.0, 1.0), (0.0, 0.0), (0, 0, 64, 64))
    )
    return View(canvas, (64, 64), ShortSideSettings())


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (([A, FAR], [0.9, 0.2]), ([FAR, A], [0.2, 0.9]), 0.0),  # in any order
        (([A, FAR], [0.9, 0.2]), ([A, FAR], [0.9, 0.3]), 0.1),
        (([A], [0.9]), ([SHIFTED], [0.9]), math.inf),
        (([A], [0.9]), ([A, FAR], [0.9, 0.8]), 0.0),  # what is more may be suppressed
        (([A] * 19 + [FAR], [0.9] * 20), ([A] * 19, [0.9] * 19), 0.0),  # one in twenty: a tie
        (([A] * 18 + [FAR] * 2, [0.9] * 20), ([A] * 18, [0.9] * 18), math.inf),
        (([A, NOWHERE], [0.9, 0.0]), ([A, NOWHERE], [0.9, 0.0]), 0.0),  # an empty mask has no box
        (([NOWHERE], [0.0]), ([NOWHERE], [0.0]), 0.0),
    ],
)
def test_the_difference_is_that_of_boxes_in_the_same_place(
    own: Any, other: Any, expected: float
) -> None:
    assert difference(pipeline(*own), pipeline(*other), view()) == pytest.approx(expected)
