import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.canvas import BUCKET, Canvas, letterbox_canvas, short_side_canvas
from tests.inference.geometries import to_canvas

MEAN_COLOR = [124, 116, 104]
GREY = [114, 114, 114]
WHITE = [255, 255, 255]
SIDES = st.integers(1, 300)


def white(height, width):
    return np.full((height, width, 3), 255, np.uint8)


def laid_out(image, layout, region=None) -> Canvas:
    if layout == "letterbox":
        return letterbox_canvas(image, size=160, region_xyxy=region)
    return short_side_canvas(image, min_size=100, max_size=200, region_xyxy=region)


LAYOUTS = pytest.mark.parametrize("layout", ["short_side", "letterbox"])


@pytest.mark.parametrize(
    ("size_hw", "canvas_hw", "picture_hw"),
    [
        ((1, 1), (128, 128), (100, 100)),
        ((50, 50), (128, 128), (100, 100)),
        ((100, 200), (128, 256), (100, 200)),
        ((200, 100), (256, 128), (200, 100)),
        ((100, 400), (64, 256), (50, 200)),  # the long side limits
        ((1, 20000), (64, 256), (1, 200)),
        ((20000, 1), (256, 64), (200, 1)),
    ],
)
def test_the_short_side_decides_and_the_picture_lies_top_left(size_hw, canvas_hw, picture_hw):
    pixels = laid_out(white(*size_hw), "short_side").pixels
    assert pixels.shape == (*canvas_hw, 3)
    expected = np.full((*canvas_hw, 3), MEAN_COLOR, np.uint8)
    expected[: picture_hw[0], : picture_hw[1]] = WHITE
    assert (pixels == expected).all()


@pytest.mark.parametrize(
    ("size_hw", "picture"),
    [
        ((1, 1), np.s_[0:160, 0:160]),
        ((80, 160), np.s_[40:120, :]),
        ((160, 80), np.s_[:, 40:120]),
        ((81, 160), np.s_[39:120, :]),  # an odd pixel is left over below
        ((40, 20), np.s_[:, 40:120]),
        ((1, 20000), np.s_[79:80, :]),
        ((20000, 1), np.s_[:, 79:80]),
    ],
)
def test_a_letterbox_has_the_picture_in_its_middle_on_grey(size_hw, picture):
    pixels = laid_out(white(*size_hw), "letterbox").pixels
    expected = np.full((160, 160, 3), GREY, np.uint8)
    expected[picture] = WHITE
    assert (pixels == expected).all()


@LAYOUTS
@settings(deadline=None)
@given(height=SIDES, width=SIDES, data=st.data())
def test_boxes_come_back_from_the_canvas(layout, height, width, data):
    geometry = laid_out(white(height, width), layout).geometry
    x, y = st.floats(0, width, width=32), st.floats(0, height, width=32)
    boxes = np.array([data.draw(st.tuples(x, y, x, y))], np.float32)
    back = geometry.to_image(to_canvas(geometry, boxes))
    assert back.dtype == np.float32
    assert back == pytest.approx(boxes, abs=1e-3)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 20000), (20000, 1), (3000, 4000)])
@pytest.mark.parametrize(
    "layout",
    [
        lambda image: short_side_canvas(image, min_size=600, max_size=1333),
        lambda image: letterbox_canvas(image, size=640),
    ],
    ids=["short_side", "letterbox"],
)
def test_boxes_come_back_to_any_image(layout, size_hw):
    geometry = layout(np.broadcast_to(np.uint8(0), (*size_hw, 3))).geometry
    sides = [size_hw[1], size_hw[0]] * 2
    boxes = (np.random.default_rng(0).random((1000, 4)) * sides).astype(np.float32)
    back = geometry.to_image(to_canvas(geometry, boxes))
    assert np.abs(back - boxes).max() <= 1e-3


@LAYOUTS
@settings(deadline=None)
@given(height=SIDES, width=SIDES)
def test_the_canvas_depends_on_the_images_size_alone(layout, height, width):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    one, other = laid_out(white(height, width), layout), laid_out(noise, layout)
    assert one.pixels.shape == other.pixels.shape
    assert one.geometry == other.geometry
    if layout == "short_side":
        assert one.pixels.shape[0] % BUCKET == one.pixels.shape[1] % BUCKET == 0


@LAYOUTS
@settings(deadline=None)
@given(height=SIDES, width=SIDES)
def test_the_whole_image_fills_its_place_on_the_canvas(layout, height, width):
    canvas = laid_out(white(height, width), layout)
    corners = to_canvas(canvas.geometry, np.array([0, 0, width, height], np.float32))
    assert corners == pytest.approx(np.round(corners), abs=1e-3)
    left, top, right, bottom = np.round(corners).astype(int)
    is_picture = (canvas.pixels == WHITE).all(axis=2)
    assert is_picture[top:bottom, left:right].all()
    assert is_picture.sum() == (bottom - top) * (right - left)


@LAYOUTS
def test_a_region_is_laid_out_like_an_image_of_its_own(layout):
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    region = (30, 20, 110, 70)
    part = laid_out(image, layout, region)
    alone = laid_out(image[20:70, 30:110], layout)
    assert (part.pixels == alone.pixels).all()
    box = np.array([[5, 6, 40, 30]], np.float32)
    moved = box + np.array([30, 20, 30, 20], np.float32)
    on_canvas = to_canvas(alone.geometry, box)
    assert to_canvas(part.geometry, moved) == pytest.approx(on_canvas)
    assert part.geometry.to_image(on_canvas) == pytest.approx(moved, abs=1e-3)


@LAYOUTS
def test_boxes_are_cut_at_the_border_of_the_region(layout):
    geometry = laid_out(white(90, 120), layout, (30, 20, 110, 70)).geometry
    boxes = np.array([[-500, -500, 500, 500], [-9, -9, -5, -5]], np.float32)
    assert geometry.to_image(boxes).tolist() == [[30, 20, 110, 70], [30, 20, 30, 20]]


@LAYOUTS
def test_no_boxes_stay_no_boxes(layout):
    geometry = laid_out(white(9, 9), layout).geometry
    none = np.empty((0, 4), np.float32)
    assert geometry.to_image(none).shape == to_canvas(geometry, none).shape == (0, 4)


@LAYOUTS
@pytest.mark.parametrize(
    "size_hw",
    [(40, 2000), (2000, 40), (20000, 1), (1, 20000)],
)
def test_shrinking_averages_what_a_pixel_of_the_canvas_covers(layout, size_hw):
    noise = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    canvas = laid_out(noise, layout)
    whole = np.array([0, 0, size_hw[1], size_hw[0]], np.float32)
    left, top, right, bottom = to_canvas(canvas.geometry, whole).round().astype(int)
    picture = canvas.pixels[top:bottom, left:right]
    assert picture.mean() == pytest.approx(127.5, abs=2)
    assert picture.std() < 10  # 74 before; a pixel covers 100 or more
