import json

import pytest
from PIL import Image

from inference.errors import UsageError
from inference.types import Task
from training.data.convert import convert_csv, convert_folder
from training.data.load import read_labelled


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


def test_what_is_no_image_of_a_class_is_skipped_with_its_reason(tmp_path):
    for name in ("cat/1.jpg", "loose.jpg", "cat/.hidden.jpg"):
        write_image(tmp_path / "photos" / name)
    (tmp_path / "photos/cat/notes.txt").write_text("")
    (tmp_path / "photos/empty").mkdir()
    report = convert_folder(tmp_path / "photos", tmp_path / "all.jsonl")
    assert report.images == 1
    assert [item.reason for item in report.skipped] == [
        "lies in no class folder",
        "is not an image by its suffix",
        "is a class folder without images",
    ]


def test_a_folder_as_output_becomes_a_table(tmp_path):
    write_image(tmp_path / "photos/cat/my cat 100%.jpg")
    convert_folder(tmp_path / "photos", tmp_path / "table")
    data = read_labelled(tmp_path / "table", task=Task.CLASSIFICATION)
    assert [record.label for record in data.records] == ["cat"]
    assert data.dropped == ()


def test_a_folder_that_is_split_already_is_converted_part_by_part(tmp_path):
    write_image(tmp_path / "train/cat/1.jpg")
    write_image(tmp_path / "val/cat/2.jpg")
    with pytest.raises(UsageError, match=r"is split already \(train, val\)"):
        convert_folder(tmp_path, tmp_path / "all.jsonl")


def csv(tmp_path, text, **options):
    for name in ("1.png", "2.png"):
        write_image(tmp_path / name)
    (tmp_path / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    report = convert_csv(tmp_path / "labels.csv", tmp_path / "all.jsonl", **options)
    return [row["label"] for row in rows_of(tmp_path / "all.jsonl")], report.skipped


@pytest.mark.parametrize(
    ("text", "options", "labels"),
    [
        ("image,label\n1.png,cat\n\n2.png,dog\n", {}, ["cat", "dog"]),
        ("label,image,x\ncat,1.png,3\n", {}, ["cat"]),
        ("image;label\n1.png;cat\n", {}, ["cat"]),  # as some spreadsheets write it
        ("image\tlabel\n1.png\tcat\n", {}, ["cat"]),
        (b"\xef\xbb\xbfimage,label\r\n1.png,cat\r\n", {}, ["cat"]),
        ('image,label\n1.png,"big, cat"\n', {}, ["big, cat"]),
        ("image,label,label\n1.png,dog,cat\n2.png,cat,\n", {}, [["cat", "dog"], ["cat"]]),
        ("image,label\n1.png,cat|dog|cat\n2.png,\n", {"separator": "|"}, [["cat", "dog"], []]),
        ("f,c\n1.png,cat\n", {"image_column": "f", "label_column": "c"}, ["cat"]),
    ],
)
def test_csv_files_of_many_kinds(tmp_path, text, options, labels):
    assert csv(tmp_path, text, **options) == (labels, ())


def test_rows_that_cannot_be_used_are_skipped_with_their_line(tmp_path):
    labels, skipped = csv(tmp_path, "image,label\n1.png,cat\ngone.png,cat\n2.png,\n,dog\n")
    assert labels == ["cat"]
    assert [item.where.rsplit(":", 1)[1] for item in skipped] == ["3", "4", "5"]
    assert "does not exist" in skipped[0].reason
    assert skipped[1].reason == "the label is empty"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name the columns 'image' and 'label', got 'nothing'"),
        ("file,label\n1.png,cat\n", "must name the columns .*got 'file,label'"),
        ("image,label\ngone.png,cat\n", r"none of its 1 rows .*labels\.csv:2: .*does not exist"),
        (b"image,label\n1.png,B\xe4r\n", "is not UTF-8 text"),
        ("image,label\n1.png," + "x" * 200_000 + "\n", r"labels\.csv:2: not valid CSV"),
    ],
)
def test_csv_files_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        csv(tmp_path, text)


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    write_image(tmp_path / "photos/cat/1.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot make the folder .*file"):
        convert_folder(tmp_path / "photos", tmp_path / "file" / "all.jsonl")


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*gone: No such file"):
        convert_folder(tmp_path / "gone", tmp_path / "all.jsonl")
    with pytest.raises(UsageError, match=r"cannot read .*gone\.csv: No such file"):
        convert_csv(tmp_path / "gone.csv", tmp_path / "all.jsonl")
