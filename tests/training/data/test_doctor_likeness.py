"""Copies are found whatever was done to them, and different photos are none."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from inference.errors import InputError
from inference.image import decode_image
from tests.training.data.doctor_tables import scene
from training.data.doctor.copies import copies_across, copies_within
from training.data.doctor.likeness import closest_copies, miniatures_of
from training.data.image_looks import look_at
from training.data.records import Record

FRIDGE = Path(__file__).parents[4] / "shared" / "data" / "fridge" / "images"


def encoded(image, kind="PNG", **options):
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def record(image, where, label="cat", kind="PNG", **options):
    data = encoded(image, kind, **options)
    look, size_hw = look_at(data)
    return Record(Path(where), label, where, sha256=str(hash(data)), size_hw=size_hw, look=look)


CHANGES = {
    "the same": lambda image: (image, "PNG", {}),
    "half the size": lambda image: (image.resize((60, 45)), "PNG", {}),
    "twice the size": lambda image: (image.resize((240, 180)), "JPEG", {}),
    "another shape": lambda image: (image.resize((100, 100)), "PNG", {}),
    "compressed": lambda image: (image, "JPEG", {"quality": 30}),
    "brighter": lambda image: (ImageEnhance.Brightness(image).enhance(1.2), "PNG", {}),
    "darker": lambda image: (ImageEnhance.Brightness(image).enhance(0.7), "PNG", {}),
    "less contrast": lambda image: (ImageEnhance.Contrast(image).enhance(0.7), "PNG", {}),
    "grey": lambda image: (image.convert("L"), "PNG", {}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_copy_is_found_and_nothing_else(change):
    image, kind, options = change(scene(0))
    copy = record(image, "copy", kind=kind, **options)
    others = [record(scene(seed), str(seed)) for seed in range(5)]
    (found,) = copies_across([copy], others)
    assert found.original.where == "0"
    assert found.same_label
    assert [(c.record.where, c.original.where) for c in copies_within([*others, copy])] == [
        ("copy", "0")
    ]


def test_exif_orientation_is_undone_before_images_are_compared():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = record(scene(0).rotate(90, expand=True), "turned", kind="JPEG", exif=exif)
    upright = record(scene(0), "upright")
    assert turned.size_hw == upright.size_hw == (90, 120)
    assert len(copies_across([turned], [upright])) == 1


def test_images_without_contrast_are_copies_of_nothing():
    grey = [record(Image.new("RGB", (20 + i, 20), "grey"), str(i)) for i in range(4)]
    assert copies_within(grey) == []


@pytest.mark.parametrize(("here", "there"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_like_nothing(here, there):
    records = [record(scene(seed), str(seed)) for seed in range(3)]
    images = miniatures_of(records[:here])
    assert closest_copies(images, miniatures_of(records[:there])) == []


def test_a_copy_is_found_across_blocks_of_the_matrix():
    images = np.random.default_rng(0).integers(0, 256, (1200, 32, 32), np.uint8)
    images[1100], images[700] = images[3], images[1]
    assert [(i, j) for i, j, _ in closest_copies(images)] == [(700, 1), (1100, 3)]


def test_images_alike_from_afar_alone_are_no_copies():
    rng = np.random.default_rng(0)
    base = np.kron(rng.integers(60, 200, (8, 8)), np.ones((4, 4)))
    noise = rng.choice([-50, 50], (2, 32, 32))
    assert closest_copies(np.uint8(base + noise)) == []


def test_labels_decide_between_duplicate_and_contradiction():
    rows = [record(scene(0), str(i), label) for i, label in enumerate(["cat", "dog", "dog"])]
    pairs = [(c.record.where, c.original.where, c.same_label) for c in copies_within(rows)]
    assert pairs == [("1", "0", False), ("2", "1", True)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("cut", [0, 40, 2000])
def test_the_verdict_is_the_one_of_the_decoder_that_serves(kind, mode, cut):
    if mode == "CMYK" and kind != "JPEG":
        mode = "1"
    data = encoded(scene(0).convert(mode), kind)
    data = data[: len(data) - cut] if cut < len(data) else data[:1]
    try:
        size_hw = decode_image(data).shape[:2]
    except InputError as error:
        with pytest.raises(type(error)):
            look_at(data)
    else:
        assert look_at(data)[1] == size_hw


@pytest.mark.skipif(not FRIDGE.is_dir(), reason="the photos of fridges are not here")
def test_different_photos_of_the_same_things_are_no_copies():
    paths = sorted(FRIDGE.glob("*.jpg"))
    images = []
    for path in paths:
        look, size_hw = look_at(path.read_bytes())
        images.append(Record(path, "", path.name, path.name, size_hw, look))
    assert len(images) > 100
    assert copies_within(images) == []
