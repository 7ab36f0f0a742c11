"""Which labelled object a detection is, and the pixels that an object covers."""

import numpy as np
import pytest

from inference.types import Detections, ObjectsFound
from xai.quality.objects import LabelledObject, matches, region

LEFT = LabelledObject("cat", (0, 0, 0.5, 1))
RIGHT = LabelledObject("cat", (0.5, 0, 1, 1))


def found(*rows):
    """Rows of a box in a picture of 100×100, and its label's place among cat and dog."""
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    label_ids = np.array([row[1] for row in rows], np.int64)
    scores = np.linspace(0.9, 0.1, len(rows), dtype=np.float32)
    return ObjectsFound(Detections(boxes, scores, label_ids), ("cat", "dog"), (100, 100))


@pytest.mark.parametrize(
    ("rows", "objects", "pairs"),
    [
        ([], [LEFT], []),
        ([((0, 0, 50, 100), 0)], [], []),
        ([((0, 0, 50, 100), 0)], [RIGHT, LEFT], [(0, LEFT)]),
        ([((0, 0, 50, 100), 1)], [LEFT], []),
        ([((0, 0, 50, 50), 0)], [LEFT], [(0, LEFT)]),
        ([((0, 0, 50, 49), 0)], [LEFT], []),
        ([((0, 0, 50, 90), 0), ((0, 0, 50, 100), 0)], [LEFT], [(0, LEFT)]),
        (
            [((50, 0, 100, 90), 0), ((0, 0, 20, 20), 0), ((0, 0, 50, 100), 0)],
            [LEFT, RIGHT],
            [(0, RIGHT), (2, LEFT)],
        ),
    ],
)
def test_the_best_detection_of_the_class_takes_an_object_once(rows, objects, pairs):
    assert list(matches(found(*rows), objects)) == pairs


@pytest.mark.parametrize(
    ("item", "rows"),
    [
        (LEFT, ["##..", "##.."]),
        (LabelledObject("cat", (0.25, 0.5, 1, 1)), ["....", ".###"]),
        (
            LabelledObject("cat", (0, 0, 1, 1), ((0, 0, 0.5, 0, 0.5, 0.5, 0, 0.5),)),
            ["##..", "...."],
        ),
        (LabelledObject("cat", (0.99, 0.99, 1, 1)), ["....", "...#"]),
        (LabelledObject("cat", (0.26, 0.1, 0.27, 0.2)), [".#..", "...."]),
    ],
)
def test_a_pixel_belongs_to_an_object_if_its_centre_does(item, rows):
    assert ["".join(".#"[cell] for cell in row.astype(int)) for row in region(item, (2, 4))] == rows
