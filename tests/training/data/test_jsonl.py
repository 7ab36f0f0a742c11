import pytest

from inference.errors import UsageError
from training.data.jsonl import read_records
from training.data.labels import parse_class
from training.data.records import Dropped, Record


def read(tmp_path, content, *, encoding="utf-8-sig", label_key="label"):
    path = tmp_path / "t.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = read_records(
        path,
        encoding=encoding,
        label_key=label_key,
        parse_label=parse_class,
        find_image=lambda url, folder: folder / url,
    )
    return list(rows)


def test_an_empty_file_has_no_records(tmp_path):
    assert read(tmp_path, "\n \n") == []


def test_a_line_is_a_record_with_an_absolute_path_and_its_place(tmp_path):
    assert read(tmp_path, '\n{"image_url": "a.jpg", "label": 1, "filename": "x"}\n') == [
        Record(tmp_path / "a.jpg", "1", f"{tmp_path}/t.jsonl:2")
    ]


def test_the_target_column_may_have_any_name(tmp_path):
    (row,) = read(tmp_path, '{"image_url": "a.jpg", "kind": "cat"}', label_key="kind")
    assert isinstance(row, Record)
    assert row.label == "cat"


def test_escaped_pairs_are_a_character(tmp_path):
    (row,) = read(tmp_path, r'{"image_url": "a.jpg", "label": "\ud83d\ude00"}')
    assert isinstance(row, Record)
    assert row.label == "😀"


def test_line_separators_of_unicode_end_no_line(tmp_path):
    (row,) = read(tmp_path, '{"image_url": "a.jpg", "label": "black\u2028cat"}')
    assert isinstance(row, Record)


def test_another_encoding_is_read_when_named(tmp_path):
    (row,) = read(
        tmp_path, '{"image_url": "a.jpg", "label": "Bär"}'.encode("latin-1"), encoding="latin-1"
    )
    assert isinstance(row, Record)
    assert row.label == "Bär"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"image_url": "a.jpg", "label": "cat"', "not valid JSON: .*column 38"),
        ('{"image_url": "a.jpg" "label": "cat"}', "not valid JSON: .*column 23"),
        ("cat.jpg,cat", "not valid JSON: .*column 1"),
        ("[1, 2]", "must be a JSON object, got list"),
        ("{}", "image_url is missing .*nothing"),
        ('{"image": "a.jpg", "label": "cat"}', "image_url is missing .*image, label"),
        ('{"image_url": 3, "label": "cat"}', "image_url must be a text"),
        ('{"image_url": " ", "label": "cat"}', "image_url must be a text"),
        ('{"image_url": "a.jpg"}', "label is missing"),
        ('{"image_url": "a.jpg", "label": null}', "label must be a name or a number, got None"),
        ('{"image_url": "a.jpg", "label": NaN}', "label must be a name or a number, got nan"),
        ("[" * 100_000, "not valid JSON"),
        (r'{"image_url": "a.jpg", "label": "\ud800"}', "half of a surrogate pair"),
    ],
)
def test_a_bad_line_is_dropped_alone_with_place_and_reason(tmp_path, line, reason):
    good = '{"image_url": "b.jpg", "label": "dog"}'
    first, second = read(tmp_path, f"{line}\n{good}\n")
    assert isinstance(first, Dropped)
    assert first.where == f"{tmp_path}/t.jsonl:1"
    assert pytest.RaisesExc(ValueError, match=reason).matches(ValueError(first.reason))
    assert isinstance(second, Record)


def test_bytes_of_another_encoding_name_the_line_and_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"t\.jsonl:2: not utf-8 text; save .* latin1"):
        read(tmp_path, b'{"image_url": "a.jpg", "label": "x"}\n{"label": "B\xe4r"}\n')


def test_a_label_of_another_task_ends_the_run_with_its_line(tmp_path):
    with pytest.raises(UsageError, match=r"t\.jsonl:1: a list of labels in a multi-class job"):
        read(tmp_path, '{"image_url": "a.jpg", "label": ["cat", "dog"]}')
