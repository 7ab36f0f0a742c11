import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from torchvision.models.detection.roi_heads import paste_masks_in_image

from inference.polygons import fill_polygons, mask_image, mask_window, polygons_of

pytestmark = pytest.mark.filterwarnings(  # pycocotools decodes by NumPy 1's protocol
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

ALL = 10**6  # points: as many as there are


def drawn(*rows):
    return np.array([[mark == "#" for mark in row] for row in rows])


def iou(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


def smooth(shape_hw, seed, sigma):
    noise = np.random.default_rng(seed).standard_normal(shape_hw).astype(np.float32)
    smoothed = cv2.GaussianBlur(noise, (0, 0), sigma)
    return smoothed / smoothed.std()


def even_odd(rings, size_hw):
    mask = np.zeros(size_hw, bool)
    for ring in rings:
        mask ^= fill_polygons([ring], size_hw=size_hw)
    return mask


def coco_fill(rings, size_hw):
    return coco.decode(coco.merge(coco.frPyObjects(rings, *size_hw))).astype(bool)


def area(ring):
    """Area by the shoelace formula: the cut of a hole has none, the hole itself counts off."""
    x, y = np.array(ring).reshape(-1, 2).T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def blob(seed, size=160):
    """One object, about as round as a potato."""
    y, x = np.mgrid[:size, :size] - size / 2
    return np.hypot(x, y) / (0.4 * size) + 0.15 * smooth((size, size), seed, size / 16) < 1


def perforated(seed):
    holes = smooth((160, 160), seed + 1000, 12) > 1.5
    return blob(seed) & ~holes


def scattered(seed):
    return smooth((160, 160), seed, 20) > 0.5


MASKS = {"blob": blob, "perforated": perforated, "scattered": scattered}


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (4, 3)])
def test_an_empty_mask_has_no_rings(shape):
    assert polygons_of(np.zeros(shape, bool), max_points=100) == []


def test_no_rings_fill_nothing():
    assert not fill_polygons([], size_hw=(3, 4)).any()


@pytest.mark.parametrize("offset", [(0, 0), (7, 3)])
def test_a_rectangle_is_outlined_along_its_edges(offset):
    mask = drawn("....", ".##.", ".##.", ".##.")
    (ring,) = polygons_of(mask, offset_xy=offset, max_points=100)
    corners = {(x + offset[0], y + offset[1]) for x in (1, 3) for y in (1, 4)}
    assert set(zip(ring[::2], ring[1::2], strict=True)) == corners


@pytest.mark.parametrize(
    "mask",
    [
        drawn("#"),
        drawn("##", "##"),
        drawn("#.", ".#"),
        drawn(".#", "#."),
        drawn("#.#", ".#.", "#.#"),
        drawn("###", "#.#", "###"),
        drawn("#####", "#.#.#", "#####"),
        drawn("####", "#.##", "##.#", "####"),
        drawn("#####", "#...#", "#.#.#", "#...#", "#####"),
        drawn("#..#", "#..#", "####"),
        drawn("#.#.#.#", ".#.#.#.", "#.#.#.#"),
    ],
)
def test_the_full_outline_gives_the_mask_back(mask):
    rings = polygons_of(mask, max_points=ALL)
    assert (fill_polygons(rings, size_hw=mask.shape) == mask).all()
    assert (even_odd(rings, mask.shape) == mask).all()


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.floats(0, 1))
def test_the_full_outline_of_any_mask_gives_it_back(seed, height, width, share):
    mask = np.random.default_rng(seed).random((height, width)) < share
    rings = polygons_of(mask, max_points=ALL)
    assert (fill_polygons(rings, size_hw=mask.shape) == mask).all()
    assert (even_odd(rings, mask.shape) == mask).all()


@pytest.mark.parametrize("make", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("seed", range(8))
def test_a_hundred_points_describe_a_mask(make, seed):
    mask = make(seed)
    rings = polygons_of(mask, max_points=100)
    assert sum(len(ring) // 2 for ring in rings) <= 100
    assert all(len(ring) >= 6 for ring in rings)
    filled = fill_polygons(rings, size_hw=mask.shape)
    assert iou(filled, mask) >= 0.98
    assert iou(even_odd(rings, mask.shape), mask) >= 0.98
    assert iou(coco_fill(rings, mask.shape), mask) >= 0.98
    again = polygons_of(filled, max_points=100)
    assert iou(fill_polygons(again, size_hw=mask.shape), filled) >= 0.98


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 60), st.floats(1, 8))
def test_there_are_never_more_points_than_allowed(seed, max_points, sigma):
    mask = smooth((40, 40), seed, sigma) > 0.3
    rings = polygons_of(mask, max_points=max_points)
    assert sum(len(ring) // 2 for ring in rings) <= max_points
    assert all(len(ring) >= 6 for ring in rings)
    assert rings or not mask.any()


def test_the_smallest_components_go_first():
    mask = np.zeros((40, 100), bool)
    for left, side in ((2, 4), (10, 30), (50, 20)):
        mask[2 : 2 + side, left : left + side] = True
    areas = {n: [area(ring) for ring in polygons_of(mask, max_points=n)] for n in (12, 8, 4)}
    assert areas == {12: [900, 400, 16], 8: [900, 400], 4: [900]}


def test_of_equal_components_as_many_stay_as_there_is_room_for():
    mask = np.kron(np.eye(30, dtype=bool), np.pad(np.ones((6, 6), bool), 2))
    rings = polygons_of(mask, max_points=50)
    assert len(rings) == 16
    assert all(len(ring) == 6 for ring in rings)


def test_a_hole_is_joined_to_its_ring():
    mask = np.ones((20, 20), bool)
    mask[5:15, 5:15] = False
    (ring,) = polygons_of(mask, max_points=100)
    assert area(ring) == pytest.approx(300, abs=1)


@pytest.mark.parametrize(
    ("rings", "expected"),
    [
        ([[0, 0, 2, 0, 2, 2, 0, 2]], drawn("##..", "##..", "....")),
        ([[0.5, 0.5, 2.5, 0.5, 2.5, 1.5, 0.5, 1.5]], drawn("##..", "....", "....")),
        ([[0.6, 0, 2.4, 0, 2.4, 1, 0.6, 1]], drawn(".#..", "....", "....")),
        ([[-9, -9, 9, -9, 9, 9, -9, 9]], drawn("####", "####", "####")),
        ([[7, 0, 9, 0, 9, 9, 7, 9]], drawn("....", "....", "....")),
        ([[0, -5, 3, -5, 3, -1]], drawn("....", "....", "....")),
        ([[0, 0, 3, 0, 3, 2, 0, 2], [2, 1, 4, 1, 4, 3, 2, 3]], drawn("###.", "####", "..##")),
        ([[1, 1]], drawn("....", "....", "....")),
        ([[]], drawn("....", "....", "....")),
    ],
)
def test_pixels_are_filled_where_their_centres_are_inside(rings, expected):
    filled = fill_polygons(rings, size_hw=(3, 4))
    assert filled.tolist() == expected.tolist()


def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out():
    left = fill_polygons([[0, 0, 7, 0, 3, 9, 0, 9]], size_hw=(9, 9))
    right = fill_polygons([[7, 0, 9, 0, 9, 9, 3, 9]], size_hw=(9, 9))
    assert (left ^ right).all()


@pytest.mark.parametrize("seed", range(5))
def test_filling_agrees_with_coco(seed):
    angles = np.sort(np.random.default_rng(seed).uniform(0, 2 * np.pi, 30))
    radii = np.random.default_rng(seed).uniform(40, 90, 30)
    ring = (100 + radii * np.array([np.cos(angles), np.sin(angles)])).T.ravel().tolist()
    reference = coco_fill([ring], (200, 200))
    assert iou(fill_polygons([ring], size_hw=(200, 200)), reference) > 0.98


def pasted(grid, box_xyxy, size_hw, threshold=0.5):
    """Return the window of a mask as a mask of the whole image."""
    window, (left, top) = mask_window(grid, box_xyxy, size_hw=size_hw, threshold=threshold)
    mask = np.zeros(size_hw, bool)
    mask[top : top + window.shape[0], left : left + window.shape[1]] = window
    return mask


def reference_paste(grid, box_xyxy, size_hw, threshold=0.5):
    masks = torch.from_numpy(grid)[None, None]
    boxes = torch.from_numpy(box_xyxy)[None]
    return paste_masks_in_image(masks, boxes, size_hw)[0, 0].numpy() > threshold


def disc(center_xy, radius, side):
    """Coverage (side, side) of pixels by a disc, from 8×8 points in each."""
    points = (np.arange(side * 8) + 0.5) / 8
    inside = np.hypot(points - center_xy[0], points[:, None] - center_xy[1]) < radius
    return inside.reshape(side, 8, side, 8).mean(axis=(1, 3))


@pytest.mark.parametrize("radius", [8.3, 12.7, 30.2, 75.0])
def test_the_grid_of_a_disc_gives_the_disc_back(radius):
    center = (100.4, 99.7)
    box = np.array([*(c - radius for c in center), *(c + radius for c in center)], np.float32)
    grid = disc((14, 14), 14, 28).astype(np.float32)
    truth = disc(center, radius, 200) > 0.5
    ours = iou(pasted(grid, box, (200, 200)), truth)
    assert ours >= 0.95
    assert ours >= iou(reference_paste(grid, box, (200, 200)), truth)  # torchvision's rounding


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((0, 0, 5000, 4000), (3000, 4000)),
        ((-1e6, -1e6, 1e6, 1e6), (3000, 4000)),
        ((10, 10, 10, 10), (0, 0)),
        ((10.2, 10, 10.8, 12), (2, 1)),
        ((5000, 10, 6000, 20), (10, 0)),
        ((-50, -50, -40, -40), (0, 0)),
    ],
)
def test_a_window_never_leaves_the_image(box, shape):
    window, (left, top) = mask_window(
        np.ones((28, 28), np.float32),
        np.array(box, np.float32),
        size_hw=(3000, 4000),
        threshold=0.5,
    )
    assert window.shape == shape
    assert min(left, top) >= 0


def test_a_full_grid_fills_its_box():
    mask = pasted(np.ones((28, 28), np.float32), np.array([28, 56, 84, 84], np.float32), (99, 99))
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    assert rows[[0, -1]].tolist() == [56, 84 - 1]
    assert columns[[0, -1]].tolist() == [28, 84 - 1]


@pytest.mark.parametrize(
    ("image_type", "magic"), [("JPG", b"\xff\xd8\xff"), ("PNG", b"\x89PNG"), ("BMP", b"BM")]
)
def test_a_mask_becomes_a_picture_white_on_black(image_type, magic):
    mask = blob(0)
    data = mask_image(mask, image_type=image_type)
    assert data.startswith(magic)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert ((decoded > 127) == mask).all()
    assert decoded.shape == mask.shape
