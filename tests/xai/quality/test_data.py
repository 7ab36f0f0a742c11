"""Reading what explanations are measured on."""

import json

import pytest

from inference.errors import UsageError
from tests.inference.images import encoded
from xai.quality.data import Example, read_examples, spread
from xai.quality.objects import LabelledObject

BOX = {"label": "cat", "topX": 0.25, "topY": 0.5, "bottomX": 0.75, "bottomY": 1}
RING = [0.0, 0.0, 0.5, 0.0, 0.5, 0.25]


def written(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("label", "objects"),
    [
        ([], ()),
        ([BOX], (LabelledObject("cat", (0.25, 0.5, 0.75, 1)),)),
        ([{**BOX, "isCrowd": 1}, {**BOX, "isCrowd": "true"}], ()),
        (
            [{"label": "cat", "polygon": [RING], "bbox": "null", "isCrowd": 0}],
            (LabelledObject("cat", (0, 0, 0.5, 0.25), (tuple(RING),)),),
        ),
    ],
)
def test_objects_are_read_from_azures_lines(tmp_path, label, objects):
    path = written(tmp_path / "a.jsonl", {"image_url": "x.jpg", "label": label})
    assert read_examples(path, with_objects=True) == [Example(tmp_path / "x.jpg", objects)]


def test_addresses_may_be_relative_absolute_escaped_or_file_urls(tmp_path):
    (tmp_path / "100%.jpg").touch()
    urls = ["a/b.jpg", "/c/d.jpg", "file:///e/f%20g.jpg", "h%20i.jpg", "100%.jpg"]
    path = written(tmp_path / "a.jsonl", *({"image_url": url, "label": "cat"} for url in urls))
    paths = [str(example.path) for example in read_examples(path, with_objects=False)]
    here = str(tmp_path)
    assert paths == [
        f"{here}/a/b.jpg", "/c/d.jpg", "/e/f g.jpg", f"{here}/h i.jpg", f"{here}/100%.jpg",
    ]  # fmt: skip


def test_a_folder_gives_its_images_sorted(tmp_path):
    for name in ("b.png", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(encoded(1))
    found = [example.path.name for example in read_examples(tmp_path, with_objects=False)]
    assert found == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no lines"),
        ("{", r"a.jsonl:1: not valid JSON"),
        ("[]", "must be a JSON object, got list"),
        ('{"label": []}', "image_url must be a text"),
        ('{"image_url": "azureml://x/y.jpg", "label": []}', "is remote"),
        ('{"image_url": "x.jpg", "label": "cat"}', "label must be a list of objects"),
        ('{"image_url": "x.jpg", "label": [{"label": "cat"}]}', r"label\[0\]: topX is missing"),
        (
            '{"image_url": "x.jpg", "label": [{"label": "c", "polygon": [[0, 0, 1]]}]}',
            r"label\[0\] must have numbers",
        ),
        (json.dumps({"image_url": "x", "label": [{**BOX, "topX": 0.9}]}), "has no area: x 0.9"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, text, message):
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_examples(tmp_path / "a.jsonl", with_objects=True)


def test_what_is_no_data_at_all_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*none: No such file"):
        read_examples(tmp_path / "none", with_objects=False)
    with pytest.raises(UsageError, match="no images in folder"):
        read_examples(tmp_path, with_objects=False)
    with pytest.raises(UsageError, match=r"give a \.jsonl file with boxes"):
        read_examples(tmp_path, with_objects=True)
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="must be JSON lines in UTF-8"):
        read_examples(tmp_path / "a.jpg", with_objects=False)


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(0, 5, []), (3, 5, [0, 1, 2]), (6, 3, [0, 2, 4]), (7, 3, [0, 2, 4]), (4, 1, [0])],
)
def test_examples_are_spread_evenly(tmp_path, count, most, chosen):
    examples = [Example(tmp_path / str(place)) for place in range(count)]
    assert spread(examples, most=most) == [examples[place] for place in chosen]
