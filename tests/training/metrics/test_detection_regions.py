import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_mask

from training.metrics.detection_regions import ImageTruth, object_regions, window_rle

SIZE_HW = (4, 5)
TALL = np.ones((4, 2), np.bool_)


@pytest.mark.parametrize(
    ("window", "left_top", "counts"),
    [
        (np.zeros((0, 0), np.bool_), (0, 0), [20]),
        (np.zeros((2, 2), np.bool_), (1, 1), [20]),
        (np.ones((1, 1), np.bool_), (1, 2), [6, 1, 13]),
        (np.ones((1, 1), np.bool_), (4, 3), [19, 1]),
        (np.ones((2, 2), np.bool_), (0, 1), [1, 2, 2, 2, 13]),
        (TALL, (0, 0), [0, 8, 12]),  # one run goes on in the next column
        (TALL, (3, 0), [12, 8]),
        (np.ones(SIZE_HW, np.bool_), (0, 0), [0, 20]),
    ],
)
def test_window_rle_counts_down_the_columns(window, left_top, counts):
    expected = coco_mask.frPyObjects({"size": list(SIZE_HW), "counts": counts}, *SIZE_HW)
    code = window_rle(window, left_top=left_top, size_hw=SIZE_HW)
    assert (coco_mask.decode(code) == coco_mask.decode(expected)).all()
    assert coco_mask.area(code) == window.sum()


def test_regions_are_rows_in_the_order_of_the_images():
    boxes = np.array([[0, 0, 2, 3], [1, 1, 2, 2]], np.float32)
    two = ImageTruth(boxes, np.array([1, 0]), np.array([False, True]), SIZE_HW)
    nothing = ImageTruth(boxes[:0], two.label_ids[:0], two.is_crowd[:0], (9, 9))
    regions = object_regions([two, nothing, two], kind="boxes")
    assert regions.image_ids.tolist() == [0, 0, 2, 2]
    assert regions.label_ids.tolist() == [1, 0, 1, 0]
    assert regions.areas.tolist() == [6, 1, 6, 1]
    assert regions.shapes[0] == [0, 0, 2, 3]
    assert regions.sizes_hw == (SIZE_HW, (9, 9), SIZE_HW)
    assert regions.chosen(regions.is_crowd).shapes == ([1, 1, 1, 1], [1, 1, 1, 1])


def test_the_mask_of_an_object_is_the_union_of_its_rings():
    rings = (((0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0), (3.0, 1.0, 5.0, 1.0, 5.0, 2.0, 3.0, 2.0)),)
    box = np.array([[0, 0, 5, 2]], np.float32)
    truth = ImageTruth(box, np.array([0]), np.array([False]), SIZE_HW, rings)
    regions = object_regions([truth], kind="masks")
    assert regions.areas.tolist() == [6]
    assert coco_mask.decode(regions.shapes[0]).tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes_xyxy": np.zeros((1, 4), np.float32)}, r"boxes_xyxy must have shape \(2, 4\)"),
        ({"is_crowd": np.zeros(3, np.bool_)}, r"is_crowd must have shape \(2,\)"),
        ({"rings": ((),)}, "rings must be empty or of 2 objects, got 1"),
    ],
)
def test_a_truth_of_unequal_lengths_is_refused(changes, message):
    fields = {
        "boxes_xyxy": np.zeros((2, 4), np.float32),
        "label_ids": np.zeros(2, np.int64),
        "is_crowd": np.zeros(2, np.bool_),
        "size_hw": SIZE_HW,
    }
    with pytest.raises(ValueError, match=message):
        ImageTruth(**fields | changes)
