import json
from pathlib import Path

import pytest

from inference.errors import UsageError
from inference.folder_files import JsonLines, find_images, read_done, shown

LABELS = ("a", "b")
LINE = json.dumps({"filename": "x.jpg", "probs": [0.25, 0.75], "labels": LABELS}) + "\n"


def line(name: str) -> str:
    return LINE.replace("x.jpg", name)


def test_an_empty_folder_has_no_images(tmp_path: Path) -> None:
    assert find_images(tmp_path) == []


def test_images_are_found_below_sorted_and_by_suffix(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a/b/c.tiff", "notes.txt", ".hidden.jpg", ".git/x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_images(tmp_path) == ["a/b/c.tiff", "a/z.png", "b.JPG"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder .*nowhere does not exist"):
        find_images(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(b"photo.jpg", "photo.jpg"), ("größe.jpg".encode(), "größe.jpg"), (b"\xff.jpg", "\\xff.jpg")],
)
def test_every_file_name_can_be_shown(raw: bytes, expected: str) -> None:
    assert shown(raw.decode("utf-8", "surrogateescape")) == expected


@pytest.mark.parametrize(
    ("content", "done", "repaired"),
    [
        ("", set(), ""),
        (LINE, {"x.jpg"}, LINE),
        (line("p") + line("q"), {"p", "q"}, line("p") + line("q")),
        (line("p") + LINE[:20], {"p"}, line("p")),
        (line("p") + LINE[:-1], {"p"}, line("p")),
        (LINE[:-1], set(), ""),
        (line("p") + "x" * 100_000, {"p"}, line("p")),
    ],
)
def test_a_half_written_last_line_is_cut_off(
    tmp_path: Path, content: str, done: set[str], repaired: str
) -> None:
    output = tmp_path / "predictions.jsonl"
    output.write_text(content)
    assert read_done(output, LABELS) == done
    assert output.read_text() == repaired


def test_a_file_that_is_not_there_has_nothing_done(tmp_path: Path) -> None:
    assert read_done(tmp_path / "predictions.jsonl", LABELS) == set()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINE + "{}\n", "predictions.jsonl:2 is no prediction"),
        ("[1]\n", "predictions.jsonl:1 is no prediction"),
        (LINE + "half\n" + LINE, "predictions.jsonl:2 is no prediction"),
        (LINE.replace('"b"', '"c"'), "predictions.jsonl:1 holds scores of another .* a, c"),
    ],
)
def test_another_file_is_not_written_into(tmp_path: Path, content: str, message: str) -> None:
    output = tmp_path / "predictions.jsonl"
    output.write_text(content)
    with pytest.raises(UsageError, match=message):
        read_done(output, LABELS)
    assert output.read_text() == content


def test_an_output_without_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder .*nowhere for the output does not exist"):
        read_done(tmp_path / "nowhere" / "predictions.jsonl", LABELS)


def test_lines_are_on_disk_as_soon_as_they_are_written(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "out.jsonl") as lines:
        assert not lines.path.exists()
        lines.write({"filename": "x"})
        assert lines.path.read_text() == '{"filename":"x"}\n'
        lines.write({"filename": "y"})
    assert lines.count == 2
    assert lines.path.read_text() == '{"filename":"x"}\n{"filename":"y"}\n'
