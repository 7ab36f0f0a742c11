"""What is made of the server's answers: labels, pictures, numbers, drawings, lines of JSON."""

import base64
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from client import attributions, draw, labels, pictures
from tests.client.scripted import Answer, refusal, scripted
from tests.inference.images import encoded

ROOT = Path(__file__).parents[2]
PNG = encoded(0, kind="PNG")
BOX = {"topX": 0.25, "topY": 0.5, "bottomX": 0.75, "bottomY": 0.9}


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def npy(numbers: Any) -> str:
    buffer = BytesIO()
    np.save(buffer, np.asarray(numbers, np.float32))
    return base64_of(buffer.getvalue())


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"boxes": []}, []),
        ({"probs": [0.1, 0.7], "labels": ["a", "b"]}, [("b", 0.7), ("a", 0.1)]),
        ({"boxes": [{"box": BOX, "label": "cat", "score": 0.5}]}, [("cat", 0.5)]),
    ],
)
def test_labels_come_with_the_surest_first(result: Any, expected: Any) -> None:
    assert labels(result) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({}, []),
        ({"visualizations": base64_of(b"one")}, [b"one"]),
        ({"visualizations": [base64_of(b"one"), None]}, [b"one", None]),
    ],
)
def test_pictures_are_a_list(result: Any, expected: Any) -> None:
    assert pictures(result) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({}, []),
        ({"attributions": [[[1.0, 2.0]]]}, [[[1.0, 2.0]]]),
        ({"attributions": npy([[1.0, 2.0]])}, [[1.0, 2.0]]),
        ({"attributions": [npy([3.0]), None]}, [[3.0], None]),
    ],
)
def test_attributions_are_numbers_in_every_encoding(result: Any, expected: Any) -> None:
    found = attributions(result)
    plain = found.tolist() if isinstance(found, np.ndarray) else found
    assert [p.tolist() if isinstance(p, np.ndarray) else p for p in plain] == expected


def changed(result: Any, image: Any) -> np.ndarray:
    """Where the drawing differs from the image."""
    before = np.asarray(Image.open(BytesIO(image)).convert("RGB"), int)
    return np.abs(np.asarray(draw(image, result), int) - before).sum(axis=2) > 0


def test_a_box_is_drawn_at_its_place() -> None:
    image = encoded(0, size_wh=(200, 100), kind="PNG")
    mask = changed({"boxes": [{"box": BOX, "label": "cat", "score": 0.5}]}, image)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 90, 50, 150)
    assert mask[50, 50:151].all()
    assert not mask[75:88, 55:145].any()


def test_an_outline_is_filled() -> None:
    image = encoded(0, size_wh=(200, 100), kind="PNG")
    ring = [0.25, 0.5, 0.75, 0.5, 0.75, 0.9, 0.25, 0.9]
    found = {"box": BOX, "label": "cat", "score": 0.5, "polygon": [ring]}
    assert changed({"boxes": [found]}, image)[51:90, 51:150].all()


def test_classes_are_written_in_the_corner() -> None:
    mask = changed({"probs": [0.1, 0.9], "labels": ["a", "b"]}, encoded(0, kind="PNG"))
    assert mask.any()
    assert not mask[:, 60:].any()


def test_a_drawing_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = BytesIO()
    Image.new("RGB", (60, 40)).save(buffer, "JPEG", exif=exif)
    assert draw(buffer.getvalue(), {"boxes": []}).size == (40, 60)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "client.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_terminal_gets_a_line_for_each_image(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(PNG)
    bad.write_bytes(b"bad")
    script = {PNG: Answer(), b"bad": refusal(400, "bad_image")}
    with scripted(script) as server:
        ran = run(server.url, str(good), str(bad), "--key", "k", "--draw", str(tmp_path / "out"))
    first, second = map(json.loads, ran.stdout.splitlines())
    assert first == {"image": str(good), "probs": [0.25, 0.75], "labels": ["a", "b"]}
    assert second == {"image": str(bad), "error": "400 bad_image: no"}
    assert ran.returncode == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["000-good.png"]


def test_a_mistake_in_a_terminal_is_one_line(tmp_path: Path) -> None:
    ran = run("nonsense://x", "photo.jpg")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "error: url must be like http://127.0.0.1:3000, got 'nonsense://x'\n"
