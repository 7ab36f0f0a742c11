"""Cells of feature maps on the image's pixels."""

import numpy as np
import pytest

from inference.canvas import Geometry, letterbox_canvas, short_side_canvas
from inference.evidence import Grid
from xai.detection.odam import CellMap
from xai.detection.placing import place, reduced_hw

SAME = Geometry((1.0, 1.0), (0.0, 0.0), (0, 0, 16, 16))
CORNER = np.array([[0, 0], [0, 4]], np.float32)


def cells(values, *, stride=8, center=0.5):
    array = np.asarray(values, np.float32)
    return CellMap(array, Grid(array.shape, stride, center))


def on_image(*maps, geometry=SAME, image_hw=(16, 16), size_hw=(16, 16)):
    return place(maps, geometry, image_hw=image_hw, size_hw=size_hw)


def test_no_maps_give_zeros():
    assert not on_image().any()


def test_cells_are_joined_bilinearly_and_reach_to_the_border():
    got = on_image(cells(CORNER))
    diagonal = np.diagonal(got)
    np.testing.assert_array_equal(diagonal[:4], 0)
    np.testing.assert_array_equal(diagonal[12:], 4)
    # pixel 7 is centred at 7.5, (7.5 / 8 - 0.5) cells from the first centre
    assert diagonal[7] == pytest.approx(4 * 0.4375**2)


def test_cells_may_be_centred_on_their_corner():
    got = on_image(cells(CORNER, center=0.0))
    assert got[7, 7] == pytest.approx(4 * 0.9375**2)
    assert got[8, 8] == 4


def test_maps_add_up():
    got = on_image(cells([[1, 1], [1, 1]]), cells([[2]], stride=16))
    np.testing.assert_array_equal(got, 3)


def test_what_the_canvas_does_not_show_is_zero():
    tile = Geometry((2.0, 2.0), (0.0, 0.0), (8, 4, 16, 12))
    got = on_image(cells([[1, 1], [1, 1]]), geometry=tile)
    expected = np.zeros((16, 16))
    expected[4:12, 8:16] = 1
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 200), (37, 90), (200, 3)])
@pytest.mark.parametrize(
    "lay_out",
    [
        lambda image: letterbox_canvas(image, size=64),
        lambda image: short_side_canvas(image, min_size=64, max_size=128),
    ],
)
def test_the_brightest_pixel_comes_back_from_where_it_went(lay_out, size_hw):
    image = np.zeros((*size_hw, 3), np.uint8)
    row, column = 2 * size_hw[0] // 3, size_hw[1] // 3
    canvas = lay_out(image)
    at = canvas.geometry
    x = (column + 0.5) * at.scale_xy[0] + at.offset_xy[0]
    y = (row + 0.5) * at.scale_xy[1] + at.offset_xy[1]
    values = np.zeros(canvas.pixels.shape[:2], np.float32)
    values[int(y), int(x)] = 1
    got = on_image(cells(values, stride=1), geometry=at, image_hw=size_hw, size_hw=size_hw)
    place_of_max = np.unravel_index(got.argmax(), size_hw)
    assert got.max() > 0
    assert np.abs(np.subtract(place_of_max, (row, column))).max() <= 1 / min(at.scale_xy) + 1


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [((640, 480), (640, 480)), ((3000, 4000), (480, 640)), ((1, 20000), (1, 640))],
)
def test_pictures_have_a_longest_side(size_hw, expected):
    assert reduced_hw(size_hw, longest=640) == expected
