import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from inference.canvas import letterbox_canvas, short_side_canvas
from inference.preprocess import normalize
from tests.inference.geometries import to_canvas
from tests.training.data.detection_records import write_records
from training.data.detection_augmentations import crop_expand, unchanged
from training.data.detection_datasets import (
    DetectionSamples,
    LaidOut,
    build_detection_loader,
    collate_detection,
)
from training.data.detection_images import TILE_MIN_SHARE, DetectionImages
from training.data.detection_samples import truth_of
from training.data.mosaic import MosaicAugmentation
from training.data.records import ObjectLabel, Record

LABELS = ("even", "odd")
UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
SHORT = functools.partial(short_side_canvas, min_size=48, max_size=96)
LETTERBOX = functools.partial(letterbox_canvas, size=64)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("images"), 7)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("large"), 3, size_hw=(96, 120))


def samples(records, *, augmentation=crop_expand, layout=SHORT, grid=None, masks=True, seed=3):
    images = DetectionImages(records, LABELS, grid=grid)
    return DetectionSamples(
        images, augmentation=augmentation, layout=layout, with_masks=masks, seed=seed
    )


def loader(dataset, *, workers=0, multi_scale=False):
    return build_detection_loader(
        dataset, batch_size=2, workers=workers, shuffle_seed=1, multi_scale=multi_scale, **UNIT
    )


def batches(chosen, epoch):
    chosen.sampler.set_epoch(epoch)
    return list(chosen)


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for (canvases, targets), (others, other_targets) in zip(first, second, strict=True):
        assert torch.equal(canvases, others)
        for one, other in zip(targets, other_targets, strict=True):
            assert torch.equal(one.boxes_xyxy, other.boxes_xyxy)
            assert torch.equal(one.label_ids, other.label_ids)
            assert (one.masks is None) == (other.masks is None)
            assert one.masks is None or torch.equal(one.masks, other.masks)


def test_truth_is_in_pixels_and_in_the_order_of_the_record():
    ring = (0.5, 0.5, 1.0, 0.5, 1.0, 1.0)
    objects = (
        ObjectLabel("odd", (0.25, 0.5, 0.75, 1.0), is_crowd=True),
        ObjectLabel("even", (0.5, 0.5, 1.0, 1.0), polygons=(ring,)),
    )
    record = Record("a.jpg", objects, "a")
    truth = truth_of(record, LABELS, (20, 40))
    assert truth.boxes_xyxy.tolist() == [[10, 10, 30, 20], [20, 10, 40, 20]]
    assert truth.label_ids.tolist() == [1, 0]
    assert truth.is_crowd.tolist() == [True, False]
    assert [len(rings) for rings in truth.rings] == [0, 1]
    assert truth.rings[1][0].tolist() == [[20, 10], [40, 10], [40, 20]]


def test_truth_of_a_negative_image_is_empty():
    truth = truth_of(Record("a.jpg", (), "a"), LABELS, (20, 40))
    assert truth.boxes_xyxy.shape == (0, 4)
    assert truth.boxes_xyxy.dtype == np.float32


def test_an_image_is_laid_out_as_the_server_does(records):
    laid = samples(records, augmentation=unchanged)[(0, 1)]
    canvas = SHORT(DetectionImages(records, LABELS)[1].image_rgb)
    assert np.array_equal(laid.pixels, canvas.pixels)
    truth = truth_of(records[1], LABELS, (60, 80)).boxes_xyxy
    np.testing.assert_allclose(laid.boxes_xyxy, to_canvas(canvas.geometry, truth), atol=1e-4)


def test_crowds_are_not_learned(records):
    crowd = replace(records[1].label[0], is_crowd=True)
    mixed = [replace(records[1], label=(crowd, *records[2].label))]
    laid = samples(mixed, augmentation=unchanged)[(0, 0)]
    assert len(laid.boxes_xyxy) == len(laid.masks) == 2


@pytest.mark.parametrize("augmentation", [unchanged, crop_expand, MosaicAugmentation(64, 9)])
def test_the_box_of_a_mask_is_its_box(records, augmentation):
    dataset = samples(records, augmentation=augmentation, layout=LETTERBOX)
    seen = 0
    for index in range(len(records)):
        laid = dataset[(0, index)]
        assert laid.masks.shape == (len(laid.boxes_xyxy), 64, 64)
        for mask, (x1, y1, x2, y2) in zip(laid.masks, laid.boxes_xyxy, strict=True):
            rows, columns = np.nonzero(mask)
            got = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(got, [x1, y1, x2, y2], atol=2.1)  # of a triangle's tips
            seen += 1
    assert seen >= 5


def test_a_sample_depends_on_seed_epoch_and_index_alone(records):
    dataset, again = samples(records), samples(records)
    again[(0, 0)]
    first, same = dataset[(4, 2)], again[(4, 2)]
    assert np.array_equal(first.pixels, same.pixels)
    assert np.array_equal(first.masks, same.masks)
    for other in (samples(records)[(5, 2)], samples(records, seed=4)[(4, 2)]):
        assert other.seed != first.seed


def test_tiles_follow_their_image(large):
    images = DetectionImages(large, LABELS, grid=(3, 2), overlap_ratio=0.0)
    assert len(images) == 21
    whole, tiles = images[14], [images[index].image_rgb for index in range(15, 21)]
    assert whole.size_hw == (96, 120)
    assert np.array_equal(np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])]), whole.image_rgb)


def test_an_image_too_small_for_tiles_stands_for_them(records):
    images = DetectionImages(records, LABELS, grid=(4, 4))
    assert np.array_equal(images[1].image_rgb, images[0].image_rgb)


@pytest.mark.parametrize(
    ("box", "tiles"),
    [
        ((0.1, 0.1, 0.3, 0.3), [0]),
        ((0.3, 0.1, 0.6, 0.3), [0]),
        ((0.4, 0.1, 0.6, 0.3), [0, 1]),
        ((0.3, 0.3, 0.7, 0.7), []),
    ],
    ids=["in one", "mostly in one", "half in two", "a quarter in four"],
)
def test_a_box_belongs_to_the_tiles_that_show_half_of_it(large, box, tiles):
    record = replace(large[0], label=(ObjectLabel("odd", box),))
    images = DetectionImages([record], LABELS, grid=(2, 2), overlap_ratio=0.0)
    assert TILE_MIN_SHARE == 0.5
    assert [part for part in range(4) if len(images[part + 1].objects)] == tiles
    assert len(images[0].objects) == 1


def laid_out(size_hw, *, boxes=0, masks=True, seed=0):
    return LaidOut(
        np.full((*size_hw, 3), 255, np.uint8),
        np.ones((boxes, 4), np.float32),
        np.zeros(boxes, np.int64),
        np.ones((boxes, *size_hw), np.uint8) if masks else None,
        seed,
    )


def test_canvases_and_masks_are_padded_to_the_largest():
    parts = [laid_out((4, 8), boxes=1), laid_out((6, 2))]
    canvases, targets = collate_detection(parts, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert canvases.shape == (2, 3, 6, 8)
    assert canvases.dtype == torch.float32
    assert canvases[0, 0].sum() == 32
    assert canvases[1, 2, :, :2].sum() == 12
    assert canvases.sum() == 3 * 44
    assert [tuple(target.masks.shape) for target in targets] == [(1, 6, 8), (0, 6, 8)]
    assert targets[0].masks.sum() == 32


def test_canvases_are_normalised_by_mean_and_std(records):
    part = samples(records, masks=False)[(0, 1)]
    numbers = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    canvases, (target,) = collate_detection([part], **numbers)
    assert np.array_equal(canvases.numpy(), normalize(part.pixels[None], **numbers))
    assert target.masks is None


def test_a_batch_of_many_scales_has_one_size_and_boxes_that_fit_it():
    sides = set()
    for seed in range(40):
        parts = [laid_out((64, 64), boxes=2, masks=False, seed=seed + n) for n in range(2)]
        canvases, targets = collate_detection(parts, **UNIT, multi_scale=True)
        side = canvases.shape[-1]
        sides.add(side)
        assert canvases.shape == (2, 3, side, side)
        assert torch.equal(targets[0].boxes_xyxy, torch.full((2, 4), side / 64))
    assert sides == {32, 64, 96}


def test_masks_and_many_scales_do_not_go_together(records):
    with pytest.raises(ValueError, match="multi_scale does not resize masks"):
        loader(samples(records), multi_scale=True)


def test_workers_do_not_change_the_batches(records):
    plain, parallel = loader(samples(records)), loader(samples(records), workers=2)
    for epoch in (0, 1):
        assert_same(batches(plain, epoch), batches(parallel, epoch))


@pytest.mark.parametrize(
    "options",
    [
        {"masks": True, "grid": (2, 1)},
        {"masks": False, "augmentation": MosaicAugmentation(64, 9), "layout": LETTERBOX},
    ],
    ids=["tiles and masks", "mosaics of many scales"],
)
def test_a_resumed_epoch_has_the_same_batches(records, options):
    multi_scale = not options["masks"]
    whole = loader(samples(records, **options), multi_scale=multi_scale)
    batches(whole, 0)
    resumed = loader(samples(records, **options), multi_scale=multi_scale)
    assert_same(batches(whole, 1), batches(resumed, 1))


def test_every_image_is_seen_once_in_an_epoch(records):
    canvases = [len(canvases) for canvases, _ in batches(loader(samples(records)), 0)]
    assert canvases == [2, 2, 2, 1]
