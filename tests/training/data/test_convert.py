import json

import pytest
from PIL import Image

from inference.errors import UsageError
from training.data.convert import convert_csv, convert_folder


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_subfolders_are_the_classes(tmp_path):
    for name in ("cat/1.jpg", "cat/deep/2.jpg", "dog/1.png"):
        write_image(tmp_path / "photos" / name)
    (tmp_path / "photos/cat/notes.txt").write_text("no image")
    report = convert_folder(tmp_path / "photos", tmp_path / "all.jsonl")
    assert dict(report.images_per_class) == {"cat": 2, "dog": 1}
    assert rows_of(tmp_path / "all.jsonl")[0] == {"image_url": "photos/cat/1.jpg", "label": "cat"}


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(UsageError, match="one folder per class"):
        convert_folder(tmp_path, tmp_path / "all.jsonl")


def test_a_csv_with_a_separator_gives_lists(tmp_path):
    for name in ("1.png", "2.png"):
        write_image(tmp_path / name)
    (tmp_path / "labels.csv").write_text("image,label\n1.png,cat;dog\n2.png,dog\n")
    convert_csv(
        tmp_path / "labels.csv",
        tmp_path / "all.jsonl",
        image_column="image",
        label_column="label",
        separator=";",
    )
    assert [row["label"] for row in rows_of(tmp_path / "all.jsonl")] == [["cat", "dog"], ["dog"]]
