"""The card of a model: labels read and judged by the pencil, and one real card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from load_tests.card_data import all_right, interval, read_labelled, top_1
from load_tests.errors import UsageError
from load_tests.payloads import make_photos
from tests.load_tests.conftest import Run
from tests.model_folders import write_model_folder

JPEG = make_photos(1, size_wh=(64, 48))[0].data
A = {"probs": [0.7, 0.6], "labels": ["a", "b"]}
B = {"probs": [0.2, 0.9], "labels": ["a", "b"]}


def lines(*records: Mapping[str, Any]) -> bytes:
    return b"\n".join(orjson.dumps(record) for record in records)


def test_a_folder_has_a_subfolder_per_class(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "cat/2.png", "dog/1.jpg", "dog/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    found = read_labelled(tmp_path, most=9)
    assert [image.classes for image in found] == [{"cat"}, {"cat"}, {"dog"}]
    assert found[1].photo().media_type == "image/png"


@pytest.mark.parametrize("as_table", [False, True])
def test_lines_have_paths_beside_the_file(tmp_path: Path, as_table: bool) -> None:
    records = [
        {"image_url": "images/1 #a.jpg", "label": "cat"},
        {"image_url": (tmp_path / "2.jpg").as_uri(), "label": ["cat", 3]},
        {"image_url": "3.jpg", "label": [{"label": "cat", "topX": 0}]},
    ]
    file = tmp_path / "data.jsonl"
    file.write_bytes(lines(*records) + b"\n\n")
    (tmp_path / "MLTable").write_text("paths:\n  - file: ./data.jsonl\n")
    found = read_labelled(tmp_path if as_table else file, most=9)
    assert [image.classes for image in found] == [{"cat"}, {"cat", "3"}, None]
    assert [image.path.resolve() for image in found] == [
        tmp_path / "images/1 #a.jpg",
        tmp_path / "2.jpg",
        tmp_path / "3.jpg",
    ]


def test_of_more_images_evenly_spread_ones_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_bytes(lines(*({"image_url": f"{n}.jpg", "label": "a"} for n in range(10))))
    assert [image.path.stem for image in read_labelled(file, most=4)] == ["0", "2", "5", "7"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no labelled image"),
        (b"{}", "line 1: no image_url and label"),
        (b"[1]", "line 1: no image_url and label"),
        (b'\n{"image_url"', "line 2: no image_url and label"),
        (lines({"image_url": "s3://b/1.jpg", "label": "a"}), "must be a local file, got s3://b/1"),
    ],
)
def test_data_that_cannot_be_used_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "data.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_labelled(file, most=9)


@pytest.mark.parametrize(
    ("answers", "truths", "best", "all_of_them"),
    [
        ([], [], 0, 0),
        ([A, B], [{"a"}, {"b"}], 2, 1),
        ([A, B], [{"a", "b"}, {"a"}], 1, 1),
    ],
)
def test_answers_are_judged_by_their_labels(
    answers: Any, truths: Any, best: int, all_of_them: int
) -> None:
    assert top_1(answers, truths) == best
    assert all_right(answers, truths, threshold=0.5) == all_of_them


@pytest.mark.parametrize(
    ("right", "total", "expected"),
    [(0, 1, (0.0, 0.793)), (1, 1, (0.207, 1.0)), (24, 29, (0.654, 0.924))],
)
def test_the_interval_is_wilsons(right: int, total: int, expected: tuple[float, float]) -> None:
    assert interval(right, total) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("card", "--model", "nowhere"), "--model nowhere is no model folder"),
        (("card", "--model", "MODEL", "--data", "nowhere"), "--data nowhere cannot be read"),
        (("card", "--model", "MODEL"), "the server did not start"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "model.json").write_text("{}")
    code, said, _ = run(*(str(tmp_path) if word == "MODEL" else word for word in arguments))
    assert code == 2
    assert words in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_card_says_what_was_measured(run: Run, tmp_path: Path) -> None:
    model = write_model_folder(tmp_path / "model", labels=("cat", "dog"), onnx=True)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.jpg").write_bytes(JPEG)
    quick = ("--duration", "0.5", "--clients", "1,2", "--explanations", "1", "--starts", "1")
    more = (
        "--p99-ms",
        "3000",
        "--engine",
        "onnxruntime",
        "--device",
        "cpu",
        "--data",
        str(tmp_path / "data"),
    )
    code, _, facts = run("card", "--model", str(model.path), *quick, *more)
    assert code == 0
    card = orjson.loads((model.path / "card.json").read_bytes())
    measured = card["measured"]
    assert measured["accuracy"] == {"name": "top-1 accuracy", "right": 1, "total": 2, "unscored": 0}
    assert [row["clients"] for row in measured["loops"]] == [1, 2]
    assert all(row["seconds"] > 0 for row in measured["explained"])
    assert len(measured["explained"]) == 5
    assert 0 < card["started"][0]["ready_s"] <= card["started"][0]["first_score_s"]
    assert card["files_mb"]["model.onnx"] > 1
    text = (model.path / "CARD.md").read_text(encoding="utf-8")
    assert "| top-1 accuracy | 0.5 | 0.095…0.905 | 2 | 0 |" in text
    assert card["where"]["processor"] in text
    for name in ("card-latency.png", "card-promise.png"):
        assert (model.path / name).read_bytes().startswith(b"\x89PNG")
    assert facts["findings"]["card"] == str(model.path / "CARD.md")
