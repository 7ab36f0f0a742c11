import json

import numpy as np
import pytest
from PIL import Image

from inference.errors import UsageError
from inference.polygons import fill_polygons
from training.data.convert_masks import convert_masks

IDS = np.zeros((60, 80), np.uint8)
IDS[10:30, 20:40] = 1
IDS[40:50, 0:10] = 7
IDS[40:50, 60:70] = 7  # two parts of one object


def save(folder, name, values=None):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((60, 80, 3), np.uint8) if values is None else values).save(
        folder / name
    )


def convert(folder, **options):
    report = convert_masks(folder, folder / "all.jsonl", **options)
    lines = (folder / "all.jsonl").read_text().splitlines()
    return {row["image_url"]: row["label"] for row in map(json.loads, lines)}, report


def filled(item):
    rings = [(np.reshape(ring, (-1, 2)) * (80, 60)).ravel() for ring in item["polygon"]]
    return fill_polygons(rings, size_hw=(60, 80))


@pytest.mark.parametrize("name", ["a.png", "a_mask.png", "a.tif"])
def test_pixel_values_are_ids_of_instances(tmp_path, name):
    save(tmp_path, "images/a.jpg")
    save(tmp_path, f"masks/{name}", IDS)
    rows, report = convert(tmp_path, label="person")
    first, second = rows["images/a.jpg"]
    assert (filled(first) == (IDS == 1)).all()
    assert (filled(second) == (IDS == 7)).all()
    assert len(second["polygon"]) == 2
    assert (dict(report.objects_per_class), report.skipped) == ({"person": 2}, ())


def test_masks_of_palettes_of_sixteen_bits_and_of_three_equal_channels(tmp_path):
    save(tmp_path, "images/a.jpg")
    save(tmp_path, "images/b.jpg")
    save(tmp_path, "images/c.jpg")
    palette = Image.fromarray(IDS)
    palette.putpalette([value for value in range(256) for _ in range(3)][::-1])
    (tmp_path / "masks").mkdir()
    palette.save(tmp_path / "masks/a.png")
    save(tmp_path, "masks/b.png", IDS.astype(np.uint16) * 300)
    save(tmp_path, "masks/c.png", np.repeat(IDS[..., None], 3, axis=2))
    rows, _ = convert(tmp_path, label="person")
    assert rows["images/a.jpg"] == rows["images/b.jpg"] == rows["images/c.jpg"]


def test_folders_of_other_names(tmp_path):
    save(tmp_path, "PNGImages/a.png")
    save(tmp_path, "PedMasks/a_mask.png", IDS)
    folders = {"images": tmp_path / "PNGImages", "masks": tmp_path / "PedMasks"}
    rows, _ = convert(tmp_path, label="person", **folders)
    assert len(rows["PNGImages/a.png"]) == 2


def test_an_image_without_its_mask_is_left_out_and_an_empty_mask_is_a_negative(tmp_path):
    for name in "abc":
        save(tmp_path, f"images/{name}.jpg")
    save(tmp_path, "masks/a.png", IDS)
    save(tmp_path, "masks/b.png", IDS * 0)
    save(tmp_path, "masks/d.png", IDS)
    rows, report = convert(tmp_path, label="person")
    assert rows["images/b.jpg"] == []
    assert [item.reason for item in report.skipped] == [
        "has no mask c[_mask].png",
        "is no mask of any image, by its name",
    ]


def test_one_mask_per_instance_has_class_and_number_in_its_name(tmp_path):
    for name in ("a", "a_1", "b"):
        save(tmp_path, f"images/{name}.jpg")
    for name in ("a_cat_0", "a_water_bottle_1", "a_1_cat_0"):
        save(tmp_path, f"masks/{name}.png", (IDS == 1).astype(np.uint8) * 255)
    rows, report = convert(tmp_path)
    assert {url: [item["label"] for item in items] for url, items in rows.items()} == {
        "images/a.jpg": ["cat", "water_bottle"],
        "images/a_1.jpg": ["cat"],
        "images/b.jpg": [],
    }
    assert (filled(rows["images/a.jpg"][0]) == (IDS == 1)).all()
    assert report.skipped == ()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (IDS * 0, "no ring of at least 3 points"),
        (np.dstack([IDS, IDS * 2, IDS]), "must be grey or have a palette, it has colours"),
        (IDS.T.copy(), "for 60×80 pixels, but upright"),
    ],
)
def test_a_mask_that_cannot_be_used_is_skipped_with_its_reason(tmp_path, values, reason):
    save(tmp_path, "images/a.jpg")
    save(tmp_path, "masks/a_cat_0.png", IDS)
    save(tmp_path, "masks/a_cat_1.png", values)
    rows, report = convert(tmp_path)
    assert len(rows["images/a.jpg"]) == 1
    assert reason in report.skipped[0].reason


def test_a_damaged_mask_is_skipped(tmp_path):
    save(tmp_path, "images/a.jpg")
    save(tmp_path, "images/b.jpg")
    save(tmp_path, "masks/a.png", IDS)
    (tmp_path / "masks/b.png").write_bytes(b"no picture")
    _, report = convert(tmp_path, label="cat")
    assert "b.png cannot be read" in report.skipped[0].reason


def test_folders_that_are_missing_or_empty_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*images"):
        convert(tmp_path)
    save(tmp_path, "images/a.jpg")
    (tmp_path / "masks").mkdir()
    with pytest.raises(UsageError, match=r"masks must hold masks \(\.bmp, \.png"):
        convert(tmp_path)
    save(tmp_path, "masks/b_cat_1.png", IDS)
    with pytest.raises(UsageError, match=r"nothing in it can be used .* no mask of any image"):
        convert(tmp_path)
