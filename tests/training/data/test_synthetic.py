import json

import numpy as np
import pytest
from PIL import Image

from inference.types import Task
from training.data.load import read_labelled
from training.data.synthetic import (
    LABELS,
    generate_scene,
    write_classification_dataset,
    write_multilabel_dataset,
)

SIZE_HW = (48, 64)


def test_a_scene_without_objects_is_a_picture_of_the_asked_size():
    scene = generate_scene([], size_hw=SIZE_HW, seed=0)
    assert scene.objects == ()
    assert scene.image_rgb.shape == (*SIZE_HW, 3)
    assert scene.image_rgb.dtype == np.uint8


@pytest.mark.parametrize("label", LABELS)
def test_every_class_is_drawn_with_a_box_around_its_mask(label):
    (item,) = generate_scene([label], size_hw=SIZE_HW, seed=5).objects
    rows, columns = np.nonzero(item.mask)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert item.label == label
    assert item.box_xyxy.tolist() == box
    assert 0.03 < item.mask.mean() < 0.9


def test_the_seed_decides_the_picture():
    first, same, other = (generate_scene(["mug"], size_hw=SIZE_HW, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.image_rgb, same.image_rgb)
    assert not np.array_equal(first.image_rgb, other.image_rgb)


def test_objects_hide_each_other_but_do_not_share_pixels():
    for seed in range(5):
        objects = generate_scene(["mug", "ball", "leaf"], size_hw=SIZE_HW, seed=seed).objects
        assert np.sum([item.mask for item in objects], axis=0).max() <= 1


def test_colour_does_not_tell_the_class():
    means = {
        label: np.mean(
            [
                scene.image_rgb[scene.objects[0].mask].mean(axis=0)
                for scene in (generate_scene([label], size_hw=SIZE_HW, seed=s) for s in range(30))
            ],
            axis=0,
        )
        for label in LABELS
    }
    assert np.ptp(np.stack(list(means.values())), axis=0).max() < 60


def test_an_unknown_label_is_refused():
    with pytest.raises(ValueError, match="unknown label 'mugg'; did you mean 'mug'"):
        generate_scene(["mugg"], size_hw=SIZE_HW, seed=0)


def test_a_classification_dataset_is_read_back(tmp_path):
    written = write_classification_dataset(
        tmp_path, images_per_class=2, validation_per_class=1, size_hw=SIZE_HW
    )
    train = read_labelled(written.training, task=Task.CLASSIFICATION)
    validation = read_labelled(written.validation, task=Task.CLASSIFICATION)
    assert [record.label for record in train.records][::2] == ["ball", "bottle", "leaf", "mug"]
    assert len(validation.records) == 4
    assert not {r.image for r in train.records} & {r.image for r in validation.records}
    with Image.open(train.records[0].image) as image:
        assert image.size == SIZE_HW[::-1]
    line = (written.training / "train_annotations.jsonl").read_text().splitlines()[0]
    assert json.loads(line) == {"image_url": "../ball/0001.jpg", "label": "ball"}


def test_a_multilabel_dataset_has_one_to_three_labels_per_image(tmp_path):
    calls = []
    written = write_multilabel_dataset(
        tmp_path,
        images=6,
        validation_images=2,
        size_hw=SIZE_HW,
        progress=lambda done, total: calls.append((done, total)),
    )
    train = read_labelled(written.training, task=Task.MULTILABEL)
    assert len(train.records) == 6
    assert all(1 <= len(record.classes) <= 3 for record in train.records)
    assert calls[-1] == (8, 8)
