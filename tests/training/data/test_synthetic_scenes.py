import json

import numpy as np
import pytest
from PIL import Image

from inference.polygons import fill_polygons
from inference.types import Task
from training.data.load import read_labelled
from training.data.synthetic import (
    generate_scene,
    generate_tiny_scene,
    write_detection_dataset,
)
from training.data.synthetic.write_scenes import objects_json

SIZE_HW = (96, 128)


def test_sides_decide_how_large_objects_are():
    small, large = (
        generate_scene(["ball"], size_hw=SIZE_HW, seed=2, sides=sides).objects[0].box_xyxy
        for sides in ((0.2, 0.2), (0.8, 0.8))
    )
    # A ball's radius is 0.86 of half its sprite's side.
    np.testing.assert_allclose([small[2] - small[0], large[2] - large[0]], [16.5, 66], atol=1.1)


def test_a_large_sprite_is_sharp():
    scenes = [
        generate_scene(["mug"], size_hw=(side, side), seed=4).image_rgb for side in (144, 432)
    ]
    steps = [np.abs(np.diff(scene[..., 0].astype(int))).max() for scene in scenes]
    assert steps[1] > 0.5 * steps[0]


def test_a_scene_without_objects_has_an_empty_label():
    assert objects_json(generate_scene([], size_hw=SIZE_HW, seed=0), masks=True) == []


def test_polygons_fill_the_mask_again():
    scene = generate_scene(["mug", "leaf"], size_hw=SIZE_HW, seed=1, sides=(0.5, 0.5))
    for item, label in zip(scene.objects, objects_json(scene, masks=True), strict=True):
        rings = [(np.reshape(ring, (-1, 2)) * (128, 96)).ravel() for ring in label["polygon"]]
        mask = fill_polygons([ring.tolist() for ring in rings], size_hw=SIZE_HW)
        assert (mask & item.mask).sum() / (mask | item.mask).sum() > 0.97


@pytest.mark.parametrize(
    ("masks", "task"), [(False, Task.DETECTION), (True, Task.SEGMENTATION)], ids=["boxes", "masks"]
)
def test_a_detection_dataset_is_read_back(tmp_path, masks, task):
    calls = []
    written = write_detection_dataset(
        tmp_path,
        images=5,
        validation_images=2,
        size_hw=SIZE_HW,
        objects=(2, 3),
        masks=masks,
        progress=lambda done, total: calls.append((done, total)),
    )
    train = read_labelled(written.training, task=task)
    validation = read_labelled(written.validation, task=task)
    assert train.dropped == validation.dropped == ()
    assert [len(train.records), len(validation.records), calls[-1]] == [5, 2, (7, 7)]
    assert all(1 <= len(record.objects) <= 3 for record in train.records)
    assert all(bool(item.polygons) == masks for item in train.records[0].objects)
    with Image.open(train.records[0].image) as image:
        assert image.size == SIZE_HW[::-1]
    line = json.loads((written.training / "train_annotations.jsonl").read_text().splitlines()[0])
    assert line["image_url"] == "../images/0001.jpg"
    keys = ["polygon"] if masks else ["topX", "topY", "bottomX", "bottomY"]
    assert [*line["label"][0]] == ["label", "isCrowd", *keys]


def test_a_dataset_depends_on_the_seed_alone(tmp_path):
    texts = [
        (
            write_detection_dataset(
                tmp_path / name, images=2, validation_images=1, size_hw=SIZE_HW, seed=seed
            ).training
            / "train_annotations.jsonl"
        ).read_text()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_a_tiny_scene_without_objects_is_a_picture():
    scene = generate_tiny_scene([], size_hw=SIZE_HW, seed=0)
    assert scene.image_rgb.shape == (*SIZE_HW, 3)
    assert scene.boxes_xyxy.shape == (0, 4)


def test_tiny_objects_stand_apart_and_inside():
    scene = generate_tiny_scene(["ball"] * 12, size_hw=(200, 300), sides_px=(12, 14), seed=3)
    sides = scene.boxes_xyxy[:, 2:] - scene.boxes_xyxy[:, :2]
    assert (sides >= 9).all()
    assert (sides <= 13).all()
    covered = np.zeros((200, 300), int)
    for x1, y1, x2, y2 in scene.boxes_xyxy.astype(int):
        covered[y1:y2, x1:x2] += 1
    assert covered.max() == 1
    assert covered.sum() == np.prod(sides, axis=1).sum()


def test_tiny_objects_differ_from_their_ground():
    scene = generate_tiny_scene(["ball"] * 12, size_hw=(200, 300), sides_px=(14, 14), seed=3)
    for x1, y1, x2, y2 in scene.boxes_xyxy.astype(int):
        around = scene.image_rgb[max(0, y1 - 5) : y2 + 5, max(0, x1 - 5) : x2 + 5].astype(float)
        inner = scene.image_rgb[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].astype(float)
        assert np.abs(inner.mean(axis=(0, 1)) - np.median(around[0], axis=0)).max() > 20


def test_more_tiny_objects_than_room_are_refused():
    with pytest.raises(ValueError, match="7 objects need as many cells of 40 pixels"):
        generate_tiny_scene(["ball"] * 7, size_hw=SIZE_HW, seed=0)
