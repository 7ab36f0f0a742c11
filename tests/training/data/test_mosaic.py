import numpy as np
import pytest

from tests.training.data.detection_records import boxes_only, outlined, painted, white_box
from training.data import mosaic as numbers
from training.data.mosaic import MosaicAugmentation, fitted, mosaic, random_affine, recolored
from training.data.object_geometry import warped

EMPTY = painted((40, 64), boxes_only())
ONE = painted((40, 64), boxes_only((8, 8, 40, 32)))


def test_a_mosaic_of_empty_images_is_empty():
    joined = mosaic([EMPTY] * 4, size=32, rng=np.random.default_rng(0))
    assert joined.size_hw == (64, 64)
    assert len(joined.objects) == 0
    assert joined.image_rgb.max() == numbers.GREY


def test_fitting_makes_the_long_side_the_size():
    small = fitted(ONE, 32)
    assert small.size_hw == (20, 32)
    assert small.objects.boxes_xyxy.tolist() == [[4, 4, 20, 16]]
    assert white_box(small.image_rgb) == [4, 4, 20, 16]


@pytest.mark.parametrize("seed", range(10))
def test_boxes_of_a_mosaic_stay_inside_and_on_their_pixels(seed):
    joined = mosaic([ONE, EMPTY, ONE, ONE], size=32, rng=np.random.default_rng(seed))
    assert joined.objects.boxes_xyxy.min() >= 0
    assert joined.objects.boxes_xyxy.max() <= 64
    white = np.zeros((64, 64), bool)
    for x1, y1, x2, y2 in joined.objects.boxes_xyxy.astype(int):
        assert joined.image_rgb[y1:y2, x1:x2].min() > 200
        white[y1:y2, x1:x2] = True
    rest = joined.image_rgb[..., 0][~white] > 200
    assert rest.sum() <= numbers.MIN_SIDE * 16 * 24  # objects of which too little is left


def test_four_images_meet_in_one_point():
    colors = [np.full((32, 32, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    samples = [painted((32, 32), boxes_only()) for _ in colors]
    samples = [type(s)(image, s.objects) for s, image in zip(samples, colors, strict=True)]
    joined = mosaic(samples, size=32, rng=np.random.default_rng(5)).image_rgb[..., 0]
    y, x = np.argwhere(joined == 40)[0]
    assert [joined[y - 1, x - 1], joined[y - 1, x], joined[y, x - 1]] == [10, 20, 30]
    assert 16 <= x <= 48
    assert 16 <= y <= 48


@pytest.mark.parametrize("seed", range(6))
def test_an_affine_map_moves_pixels_and_boxes_alike(seed):
    matrix = random_affine((40, 64), size=64, rng=np.random.default_rng(seed))
    moved = warped(ONE, matrix, size_hw=(64, 64), fill=(0, 0, 0), min_share=0.0)
    np.testing.assert_allclose(white_box(moved.image_rgb), moved.objects.boxes_xyxy[0], atol=0.51)


def test_an_affine_map_scales_and_shifts_within_its_limits():
    for seed in range(50):
        matrix = random_affine((40, 64), size=64, rng=np.random.default_rng(seed))
        assert 0.5 <= matrix[0, 0] == matrix[1, 1] <= 1.5
        assert matrix[0, 1] == matrix[1, 0] == 0
        center = matrix @ [32, 20, 1]
        assert np.abs(center - 32).max() <= 6.4


def test_rotation_and_shear_are_about_the_centre(monkeypatch):
    monkeypatch.setattr(numbers, "MAX_ROTATION", 30.0)
    monkeypatch.setattr(numbers, "MAX_SHEAR", 10.0)
    matrix = random_affine((40, 64), size=64, rng=np.random.default_rng(1))
    assert abs(matrix[0, 1]) > 0.01
    assert np.abs(matrix @ [32, 20, 1] - 32).max() <= 6.4


def test_recolouring_keeps_grey_grey_and_turns_colours():
    grey, red = (np.full((2, 2, 3), color, np.uint8) for color in (128, (200, 40, 40)))
    changed = recolored(grey, np.random.default_rng(0))
    assert np.ptp(changed, axis=-1).max() == 0
    assert not np.array_equal(recolored(red, np.random.default_rng(0)), red)


@pytest.mark.parametrize(
    ("mosaic_epochs", "augment", "epoch", "size_hw"),
    [
        (2, True, 1, (32, 32)),
        (2, True, 2, (32, 32)),
        (2, False, 1, (32, 32)),
        (2, False, 2, (40, 64)),
        (0, False, 0, (40, 64)),
    ],
    ids=["mosaic", "mosaics are over", "mosaic alone", "nothing left", "nothing asked for"],
)
def test_squares_unless_nothing_is_done(mosaic_epochs, augment, epoch, size_hw):
    change = MosaicAugmentation(32, mosaic_epochs, augment)
    changed = change([ONE] * 3, 1, epoch=epoch, rng=np.random.default_rng(0))
    assert changed.size_hw == size_hw
    assert changed.objects.boxes_xyxy.max() <= max(size_hw)


def test_after_the_last_mosaic_there_is_one_image():
    colored = [painted((32, 32), boxes_only((8, 8, 24, 24))), EMPTY, EMPTY]
    change = MosaicAugmentation(32, 1)
    for seed in range(5):
        alone = change(colored, 0, epoch=1, rng=np.random.default_rng(seed))
        assert len(alone.objects) <= 1
        assert alone.objects.label_ids.tolist() in ([], [0])


def test_what_becomes_too_thin_is_left_out():
    thin = painted((64, 64), boxes_only((0, 30, 64, 32), (10, 10, 30, 30)))
    change = MosaicAugmentation(64, 0)
    for seed in range(10):
        kept = change([thin], 0, epoch=0, rng=np.random.default_rng(seed)).objects
        assert 0 not in kept.label_ids


def test_the_generator_decides():
    change = MosaicAugmentation(32, 1)
    samples = [ONE, painted((30, 30), outlined(((5, 5), (25, 5), (5, 25))))]
    first, same = (change(samples, 1, epoch=0, rng=np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first.image_rgb, same.image_rgb)
    assert np.array_equal(first.objects.boxes_xyxy, same.objects.boxes_xyxy)
