import numpy as np
import pytest

from tests.training.data.detection_records import boxes_only, outlined, painted, white_box
from training.data.detection_augmentations import (
    MIN_VISIBLE_SHARE,
    crop_expand,
    cropped_around_boxes,
    expanded,
    flipped,
    unchanged,
)
from training.data.object_geometry import visible_shares

EMPTY = painted((40, 60), boxes_only())
ONE = painted((40, 60), boxes_only((10, 8, 34, 20)))
TWO = painted((40, 60), boxes_only((2, 2, 12, 12), (40, 20, 58, 38)))
CHANGES = [expanded, cropped_around_boxes, flipped]


@pytest.mark.parametrize("change", CHANGES)
def test_an_image_without_objects_is_changed_too(change):
    changed = change(EMPTY, np.random.default_rng(0))
    assert len(changed.objects) == 0
    assert changed.image_rgb.dtype == np.uint8


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_written_to_the_sample(change):
    sample = painted((40, 60), outlined(((10, 8), (34, 8), (34, 20), (10, 20))))
    image, boxes = sample.image_rgb.copy(), sample.objects.boxes_xyxy.copy()
    change(sample, np.random.default_rng(1))
    assert np.array_equal(sample.image_rgb, image)
    assert np.array_equal(sample.objects.boxes_xyxy, boxes)


def test_a_flip_mirrors_box_ring_and_pixels():
    sample = painted((40, 60), outlined(((10, 8), (34, 8), (10, 20))))
    mirrored = flipped(sample, np.random.default_rng(0))
    assert mirrored.objects.boxes_xyxy.tolist() == [[26, 8, 50, 20]]
    assert mirrored.objects.rings[0][0].tolist() == [[50, 8], [26, 8], [50, 20]]
    assert white_box(mirrored.image_rgb) == [26, 8, 50, 20]


def test_a_flip_undoes_a_flip():
    twice = flipped(flipped(TWO, np.random.default_rng(0)), np.random.default_rng(0))
    assert np.array_equal(twice.image_rgb, TWO.image_rgb)
    assert np.array_equal(twice.objects.boxes_xyxy, TWO.objects.boxes_xyxy)


@pytest.mark.parametrize("seed", range(8))
def test_zooming_out_keeps_every_object_and_moves_it_with_its_pixels(seed):
    zoomed = expanded(ONE, np.random.default_rng(seed))
    assert zoomed.size_hw == ONE.size_hw
    (box,) = zoomed.objects.boxes_xyxy
    assert 12 - 1e-4 <= box[2] - box[0] <= 24
    in_box = zoomed.image_rgb[round(box[1]) : round(box[3]), round(box[0]) : round(box[2])]
    assert in_box.mean() > 200
    assert zoomed.image_rgb.min() == 0


def test_what_zooming_out_adds_has_the_mean_colour():
    zoomed = expanded(EMPTY, np.random.default_rng(0))
    assert np.unique(zoomed.image_rgb[-1].reshape(-1, 3), axis=0).tolist()[-1] == [124, 116, 104]


@pytest.mark.parametrize("seed", range(12))
def test_a_crop_shows_at_least_one_box_and_its_pixels(seed):
    crop = cropped_around_boxes(TWO, np.random.default_rng(seed))
    height, width = crop.size_hw
    assert len(crop.objects) >= 1
    for x1, y1, x2, y2 in crop.objects.boxes_xyxy.astype(int):
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        assert crop.image_rgb[y1:y2, x1:x2].min() == 255


def test_objects_that_a_crop_hides_mostly_do_not_count():
    whole = TWO.objects
    for seed in range(30):
        kept = cropped_around_boxes(TWO, np.random.default_rng(seed)).objects
        areas = np.prod(kept.boxes_xyxy[:, 2:] - kept.boxes_xyxy[:, :2], axis=1)
        full = np.prod(whole.boxes_xyxy[:, 2:] - whole.boxes_xyxy[:, :2], axis=1)[kept.label_ids]
        assert (areas >= MIN_VISIBLE_SHARE * full - 1e-3).all()
    assert visible_shares(whole.boxes_xyxy, (0, 0, 60, 40)).tolist() == [1, 1]


def test_the_generator_decides_and_the_epoch_does_not():
    first, same, other = (
        crop_expand([TWO], 0, epoch=epoch, rng=np.random.default_rng(seed))
        for epoch, seed in ((0, 3), (1, 3), (0, 4))
    )
    assert np.array_equal(first.image_rgb, same.image_rgb)
    assert np.array_equal(first.objects.boxes_xyxy, same.objects.boxes_xyxy)
    assert first.size_hw != other.size_hw or not np.array_equal(first.image_rgb, other.image_rgb)


def test_without_augmentation_a_sample_stays_as_it_is():
    assert unchanged([EMPTY, TWO], 1, epoch=0, rng=np.random.default_rng(0)) is TWO
