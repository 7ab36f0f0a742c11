import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.polygons import fill_polygons
from tests.training.data.detection_records import boxes_only, outlined, painted, white_box
from training.data.object_geometry import (
    cut_out,
    scaling,
    transformed,
    visible,
    visible_shares,
    warped,
)

QUARTER_TURN = np.array([[0.0, -1.0, 10.0], [1.0, 0.0, 0.0]])  # x' = 10 - y, y' = x
TRIANGLE = ((2, 2), (10, 2), (2, 10))


@pytest.mark.parametrize(
    "matrix", [scaling((2.0, 3.0), (-1.0, 5.0)), QUARTER_TURN], ids=["scaled", "turned"]
)
def test_no_objects_stay_none(matrix):
    moved = visible(transformed(boxes_only(), matrix), (10, 10), min_share=0.5)
    assert len(moved) == 0
    assert moved.boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (scaling((1.0, 1.0), (0.0, 0.0)), [1, 2, 4, 8]),
        (scaling((2.0, 3.0), (-1.0, 5.0)), [1, 11, 7, 29]),
        (scaling((-1.0, 1.0), (10.0, 0.0)), [6, 2, 9, 8]),
        (QUARTER_TURN, [2, 1, 8, 4]),
    ],
    ids=["unchanged", "scaled", "mirrored", "turned"],
)
def test_boxes_move_by_pencil(matrix, expected):
    assert transformed(boxes_only((1, 2, 4, 8)), matrix).boxes_xyxy.tolist() == [expected]


def test_a_turned_box_with_a_ring_is_the_box_around_the_ring():
    turn = np.deg2rad(45)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]])
    ring = ((0, 0), (4, 0), (0, 4))
    with_ring = transformed(outlined(ring), matrix).boxes_xyxy[0]
    without = transformed(boxes_only((0, 0, 4, 4)), matrix).boxes_xyxy[0]
    root = np.sqrt(8)
    np.testing.assert_allclose(with_ring, [-root, 0, root, root], atol=1e-5)
    np.testing.assert_allclose(without, [-root, 0, root, 2 * root], atol=1e-5)


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((0, 0, 10, 10), 1.0),
        ((-10, 0, 10, 10), 0.5),
        ((5, 5, 15, 15), 0.25),
        ((20, 20, 30, 30), 0.0),
        ((3, 3, 3, 8), 0.0),
    ],
    ids=["inside", "half", "corner", "outside", "no area"],
)
def test_visible_shares(box, share):
    assert visible_shares(boxes_only(box).boxes_xyxy, (0, 0, 10, 10)).tolist() == [share]


def test_too_little_of_an_object_is_none():
    objects = boxes_only((-8, 0, 2, 10), (-2, 0, 8, 10), (9.5, 0, 10, 10))
    seen = visible(objects, (10, 10), min_share=0.3)
    assert seen.label_ids.tolist() == [1]  # the first shows a fifth, the last is half a pixel wide
    assert seen.boxes_xyxy.tolist() == [[0, 0, 8, 10]]


def test_a_cut_ring_gives_the_box_of_what_is_left_of_it():
    seen = visible(outlined(TRIANGLE), (6, 20), min_share=0.0)
    assert sorted(map(tuple, seen.rings[0][0].tolist())) == [(2, 2), (2, 6), (6, 6), (10, 2)]
    left = cut_out(painted((12, 12), outlined(TRIANGLE)), (6, 0, 12, 12), min_share=0.0)
    assert left.objects.boxes_xyxy.tolist() == [[0, 2, 4, 6]]  # its box alone would reach to 10
    assert left.image_rgb.shape == (12, 6, 3)


def test_an_object_whose_ring_is_outside_is_none():
    beyond = cut_out(painted((12, 12), outlined(TRIANGLE)), (8, 6, 12, 12), min_share=0.0)
    assert len(beyond.objects) == 0


def test_objects_are_chosen_with_their_rings():
    objects = outlined(TRIANGLE, ((0, 0), (1, 0), (1, 1)))
    assert [len(objects[np.array(rows, int)].rings) for rows in ([], [1], [1, 0])] == [0, 1, 2]
    assert objects[np.array([False, True])].rings[0][0].tolist() == [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    "matrix",
    [scaling((0.5, 0.5), (11.0, 7.0)), scaling((2.0, 1.0), (-20.0, 3.0)), QUARTER_TURN * 1.0],
    ids=["smaller", "larger", "turned"],
)
def test_pixels_and_boxes_move_alike(matrix):
    sample = painted((40, 40), boxes_only((12, 2, 24, 8)))
    moved = warped(sample, matrix, size_hw=(40, 40), fill=(0, 0, 0), min_share=0.0)
    assert white_box(moved.image_rgb) == moved.objects.boxes_xyxy[0].tolist()


@settings(max_examples=60, deadline=None)
@given(
    angles=st.lists(st.floats(0, 6.28), min_size=4, max_size=9, unique=True),
    region=st.tuples(st.integers(0, 25), st.integers(0, 25)),
    turn=st.floats(-3, 3),
)
def test_a_mask_stays_in_its_box(angles, region, turn):
    angles = np.sort(angles)
    ring = 30 + 20 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    objects = outlined(ring)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 30], [np.sin(turn), np.cos(turn), 10]])
    seen = visible(transformed(objects, matrix), (60 - region[0], 60 - region[1]), min_share=0.0)
    for box, rings in zip(seen.boxes_xyxy, seen.rings, strict=True):
        finer = [(8 * points).ravel().tolist() for points in rings]  # slivers show
        mask = fill_polygons(finer, size_hw=(480, 480)).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        if width and height:
            assert (np.array([x, y]) >= 8 * box[:2] - 1).all()
            assert (np.array([x + width, y + height]) <= 8 * box[2:] + 1).all()
