import hashlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from training.data.check_images import check_images
from training.data.records import Dropped, Record


def encoded(kind="PNG", side=64):
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


def check(tmp_path, content):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    (row,) = check_images([Record(path, "cat", "t.jsonl:1")])
    return row


def test_nothing_to_check():
    assert check_images([]) == []


def test_a_good_image_gets_its_hash_and_size(tmp_path):
    data = encoded()
    row = check(tmp_path, data)
    assert isinstance(row, Record)
    assert row.sha256 == hashlib.sha256(data).hexdigest()
    assert row.size_hw == (64, 64)


def test_the_size_is_that_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    buffer = BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "PNG", exif=exif)
    assert check(tmp_path, buffer.getvalue()).size_hw == (30, 20)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        (b"", r"empty \(0 bytes\)"),
        (b"hello", "not an image"),
        (encoded()[:-500], "cannot be decoded"),  # the header is as good as any
        (encoded("JPEG")[:-500], "cannot be decoded"),
        (encoded("GIF"), "image format GIF is not served"),
    ],
)
def test_a_bad_image_drops_its_record_and_says_why(tmp_path, content, reason):
    row = check(tmp_path, content)
    assert isinstance(row, Dropped)
    assert row.where == "t.jsonl:1"
    assert pytest.RaisesExc(ValueError, match=reason).matches(ValueError(row.reason))


def test_a_folder_is_no_image(tmp_path):
    (row,) = check_images([Record(tmp_path, "cat", "t.jsonl:1")])
    assert isinstance(row, Dropped)
    assert "Is a directory" in row.reason


@pytest.mark.parametrize("name", ["a\0.png", "a" * 5000])
def test_a_name_that_no_file_can_have_drops_its_record(tmp_path, name):
    (row,) = check_images([Record(tmp_path / name, "cat", "t.jsonl:1")])
    assert isinstance(row, Dropped)
    assert "cannot be read" in row.reason


def test_order_is_kept_and_a_file_is_read_once_for_all_its_records(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded())
    dropped = Dropped("t.jsonl:2", "", "bad line")
    rows = [Record(path, "cat", "t.jsonl:1"), dropped, Record(path, "dog", "t.jsonl:3")]
    calls = []
    checked = check_images(rows, progress=lambda done, total: calls.append((done, total)))
    assert [row.where for row in checked] == ["t.jsonl:1", "t.jsonl:2", "t.jsonl:3"]
    assert calls == [(1, 1)]
