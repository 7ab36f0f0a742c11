import json
from pathlib import Path

import pytest
from PIL import Image

from inference.errors import UsageError
from training.data.convert_voc import convert_voc

FRIDGE = Path(__file__).parents[4] / "shared" / "data" / "fridge"

BOX = "<bndbox><xmin>20</xmin><ymin>15</ymin><xmax>40</xmax><ymax>30.0</ymax></bndbox>"
CAT = f"<object><name>cat</name><difficult>0</difficult>{BOX}</object>"
SIZE = "<size><width>80</width><height>60</height><depth>3</depth></size>"
CAT_JSON = {
    "label": "cat",
    "isCrowd": 0,
    "topX": 0.25,
    "topY": 0.25,
    "bottomX": 0.5,
    "bottomY": 0.5,
}


def xml(*objects, filename="a.png", size=SIZE):
    inside = f"<filename>{filename}</filename>{size}{''.join(objects)}"
    return f"<annotation>{inside}</annotation>"


def convert(folder, texts, *, annotations=".", images=".", **options):
    for name, text in texts.items():
        path = folder / annotations / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (folder / images).mkdir(exist_ok=True)
        Image.new("RGB", (80, 60)).save(folder / images / f"{name}.png")
    report = convert_voc(folder, folder / "all.jsonl", **options)
    lines = (folder / "all.jsonl").read_text().splitlines()
    return [json.loads(line)["label"] for line in lines], report


@pytest.mark.parametrize(
    "layout", [{}, {"annotations": "Annotations", "images": "JPEGImages"}], ids=["beside", "voc"]
)
def test_both_layouts(tmp_path, layout):
    labels, report = convert(tmp_path, {"a": xml(CAT)}, **layout)
    assert labels == [[CAT_JSON]]
    assert report.skipped == ()


def test_images_may_lie_elsewhere(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (80, 60)).save(photos / "a.png")
    (tmp_path / "a.xml").write_text(xml(CAT))
    convert_voc(tmp_path, tmp_path / "all.jsonl", images=photos)
    (row,) = map(json.loads, (tmp_path / "all.jsonl").read_text().splitlines())
    assert row == {"image_url": "photos/a.png", "label": [CAT_JSON]}


@pytest.mark.parametrize("filename", ["a", "old-name.jpg", ""])
def test_an_image_is_found_by_the_name_of_its_xml_file_too(tmp_path, filename):
    labels, _ = convert(tmp_path, {"a": xml(CAT, filename=filename)})
    assert labels == [[CAT_JSON]]


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>"])
def test_a_size_that_is_not_stated_is_the_images(tmp_path, size):
    assert convert(tmp_path, {"a": xml(CAT, size=size)})[0] == [[CAT_JSON]]


def test_difficult_objects_are_crowds(tmp_path):
    difficult = CAT.replace("<difficult>0", "<difficult>1")
    labels, _ = convert(tmp_path, {"a": xml(difficult)})
    assert labels == [[CAT_JSON | {"isCrowd": 1}]]


def test_an_xml_file_without_objects_is_a_negative(tmp_path):
    labels, _ = convert(tmp_path, {"a": xml(CAT), "b": xml(filename="b.png")})
    assert labels == [[CAT_JSON], []]


def test_an_image_without_an_xml_file_is_left_out(tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "b.png")
    _, report = convert(tmp_path, {"a": xml(CAT)})
    assert [(Path(item.image).name, item.reason) for item in report.skipped] == [
        ("b.png", "has no XML file")
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (CAT.replace("<xmax>40", "<xmax>20"), r"cat: the box \(20, 15, 20, 30\) has no area"),
        (
            CAT.replace("<xmin>20", "<xmin>left"),
            "object 1: bndbox/xmin must be a number, got 'left'",
        ),
        (CAT.replace("<xmin>20", "<xmin>nan"), "has no area"),
        ("<object><name>cat</name></object>", "object 1: bndbox/xmin must be a number, got ''"),
        (f"<object>{BOX}</object>", "object 1: name must be a name or a number, got ''"),
    ],
)
def test_an_object_that_cannot_be_used_is_skipped_with_its_reason(tmp_path, bad, reason):
    labels, report = convert(tmp_path, {"a": xml(CAT, bad)})
    assert labels == [[CAT_JSON]]
    (skipped,) = report.skipped
    assert skipped.where.endswith("a.xml")
    assert pytest.RaisesExc(ValueError, match=reason).matches(ValueError(skipped.reason))


ENTITY = '<!DOCTYPE a [<!ENTITY e "boo"><!ENTITY f "&e;&e;&e;">]>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not valid XML: no element found"),
        ("<annotation>", "is not valid XML"),
        ("<html></html>", "its root is <html>, not <annotation>"),
        (ENTITY + xml(CAT).replace("cat", "&f;"), "declares a document type"),
        (xml(CAT).replace("cat", "&f;"), "is not valid XML: undefined entity"),
        (xml(CAT, size="<size><width>60</width><height>80</height></size>"), "60×80 .* has 80×60"),
    ],
)
def test_a_file_that_cannot_be_used_is_skipped_with_its_reason(tmp_path, text, reason):
    _, report = convert(tmp_path, {"b": text, "a": xml(CAT)})
    assert report.images == 1
    skipped = report.skipped[0]
    assert skipped.where.endswith("b.xml")
    assert pytest.RaisesExc(ValueError, match=reason).matches(ValueError(skipped.reason))


def test_a_folder_without_xml_files_is_refused(tmp_path):
    with pytest.raises(UsageError, match="must hold XML files"):
        convert_voc(tmp_path, tmp_path / "all.jsonl")
    with pytest.raises(UsageError, match="cannot read"):
        convert_voc(tmp_path / "gone", tmp_path / "all.jsonl")


@pytest.mark.skipif(not FRIDGE.is_dir(), reason="needs ../shared/data/fridge")
def test_real_data_give_the_boxes_that_azures_lines_hold(tmp_path):
    report = convert_voc(FRIDGE / "detection-voc", tmp_path / "all.jsonl", images=FRIDGE / "images")
    assert (report.images, report.skipped) == (103, ())
    azures = (FRIDGE / "detection").rglob("*.jsonl")
    assert labels_by_image(tmp_path / "all.jsonl") == labels_by_image(*azures)


def labels_by_image(*paths):
    """Per image the objects with their corners in whole pixels."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    keys = {"topX": 499, "topY": 666, "bottomX": 499, "bottomY": 666}
    return {
        Path(row["image_url"]).name: sorted(
            (item["label"], *(round(item[key] * size) for key, size in keys.items()))
            for item in row["label"]
        )
        for row in rows
    }
