import json

import pytest
from PIL import Image

from inference.errors import UsageError
from training.data.convert_yolo import convert_yolo, read_names

BOX = {"label": "dog", "isCrowd": 0, "topX": 0.25, "topY": 0.125, "bottomX": 0.75, "bottomY": 0.375}


def write(folder, texts, names="names: [cat, dog]\n"):
    """Write an image per text; None stands for no file."""
    for name, text in texts.items():
        image, label = folder / "images" / f"{name}.png", folder / "labels" / f"{name}.txt"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 60)).save(image)
        if text is not None:
            label.write_text(text)
    (folder / "data.yaml").write_text(names)


def convert(folder, source=None, **options):
    report = convert_yolo(source or folder, folder / "all.jsonl", **options)
    lines = (folder / "all.jsonl").read_text().splitlines()
    return {row["image_url"]: row["label"] for row in map(json.loads, lines)}, report


def test_boxes_and_negatives(tmp_path):
    write(tmp_path, {"a": "1 0.5 0.25 0.5 0.25\n", "b": "", "deep/c": None})
    rows, report = convert(tmp_path)
    assert rows == {"images/a.png": [BOX], "images/b.png": [], "images/deep/c.png": []}
    assert report.skipped == ()


def test_polygons(tmp_path):
    write(tmp_path, {"a": "0 0.25 0.25 0.5 0.25 0.5 0.5\r\n\r\n"})
    rows, _ = convert(tmp_path)
    polygon = [[0.25, 0.25, 0.5, 0.25, 0.5, 0.5]]
    assert rows["images/a.png"] == [{"label": "cat", "isCrowd": 0, "polygon": polygon}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2 0.5 0.5 0.1 0.1", r"id of the 2 classes \(0…1\), got '2'"),
        ("cat 0.5 0.5 0.1 0.1", "got 'cat'"),
        ("0 0.5 0.5 0.1 0.1 0.9", "must be 'class cx cy w h' or .* got 6 numbers"),
        ("0", "got 1 numbers"),
        ("0 0.5 0.5 0 0.1", "has no area"),
        ("0 320 0.5 0.1 0.1", "number 2 .*looks like pixels"),
        ("0 0.5 x 0.1 0.1", "number 3 must be a number, got 'x'"),
    ],
)
def test_a_line_that_cannot_be_used_is_skipped_with_its_place(tmp_path, line, reason):
    write(tmp_path, {"a": f"1 0.5 0.25 0.5 0.25\n{line}\n"})
    rows, report = convert(tmp_path)
    assert rows["images/a.png"] == [BOX]
    (skipped,) = report.skipped
    assert skipped.where.endswith("a.txt:2")
    assert pytest.RaisesExc(ValueError, match=reason).matches(ValueError(skipped.reason))


def test_files_that_belong_to_no_image_are_told(tmp_path):
    write(tmp_path, {"a": "1 0.5 0.25 0.5 0.25"})
    (tmp_path / "labels/b.txt").write_text("")
    (tmp_path / "images/c.png").write_text("no image")
    reasons = [item.reason for item in convert(tmp_path)[1].skipped]
    assert "cannot be read" in reasons[0]
    assert "there is no image of this name" in reasons[1]


def test_data_that_are_split_already_are_converted_part_by_part(tmp_path):
    write(tmp_path, {"train/a": "1 0.5 0.25 0.5 0.25", "val/b": ""})
    with pytest.raises(UsageError, match=r"images is split already \(train, val\)"):
        convert(tmp_path)
    rows, _ = convert(tmp_path, tmp_path / "images/train")
    assert rows == {"images/train/a.png": [BOX]}


def test_a_folder_per_split_finds_the_names_above(tmp_path):
    write(tmp_path / "train", {"a": "1 0.5 0.25 0.5 0.25"})
    (tmp_path / "train/data.yaml").rename(tmp_path / "data.yaml")
    rows, _ = convert(tmp_path, tmp_path / "train")
    assert rows == {"train/images/a.png": [BOX]}


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("a.yaml", "names: [cat, 3]", {0: "cat", 1: "3"}),
        ("a.yml", "nc: 2\nnames: {0: cat, 5: dog}", {0: "cat", 5: "dog"}),
        ("a.txt", "cat\ndog\n", {0: "cat", 1: "dog"}),
    ],
)
def test_names(tmp_path, name, text, names):
    (tmp_path / name).write_text(text)
    assert read_names(tmp_path / name) == names


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "nc: 2", "names must list the classes, or map ids to them, got None"),
        ("a.yaml", "names: []", r"names must list the classes, .*got \[\]"),
        ("a.yaml", "names: {cat: 0}", r"or map ids to them, got \{'cat': 0\}"),
        ("a.yaml", "names: [cat, null]", r"names\.1 must be a name"),
        ("a.txt", "\n", "must hold one class name per line"),
    ],
)
def test_files_without_names(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        read_names(tmp_path / name)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(UsageError, match="a folder labels beside it"):
        convert(tmp_path)
    write(tmp_path, {"a": None})
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(UsageError, match=r"no file of class names .*--names"):
        convert(tmp_path)
    with pytest.raises(UsageError, match=r"cannot read .*gone\.txt"):
        convert(tmp_path, names=tmp_path / "gone.txt")
