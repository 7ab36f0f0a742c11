"""The converters as commands: options arrive, and the terminal tells what was done."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from training.__main__ import app

BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"
COCO = {
    "images": [{"id": 1, "file_name": "a.png"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4]}],
    "categories": [{"id": 1, "name": "cat"}],
}
PREDICTION = {"filename": "a.png", "boxes": []}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """One image in several layouts, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "labels", "masks", "xml"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (8, 8)).save("images/a.png")
    Image.fromarray(np.eye(8, dtype=np.uint8)).save("masks/a.png")
    (tmp_path / "xml/a.xml").write_text(
        f"<annotation><object><name>cat</name>{BOX}</object></annotation>"
    )
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n0 0.5\n")
    (tmp_path / "names.txt").write_text("cat\n")
    (tmp_path / "coco.json").write_text(json.dumps(COCO))
    (tmp_path / "predictions.jsonl").write_text(json.dumps(PREDICTION))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "coco coco.json all.jsonl --images images",
        "voc xml all.jsonl --images images",
        "yolo . all.jsonl --names names.txt",
        "masks . all.jsonl --label cat",
    ],
)
def test_images_and_objects_are_counted(data, command):
    result = CliRunner().invoke(app, ["convert", *command.split()], catch_exceptions=False)
    assert result.exit_code == 0
    row = next(line for line in result.output.splitlines() if "cat" in line)
    assert row.split()[1::2] == ["cat", "1", "1"]
    assert "images in all: 1" in result.output
    assert ("left out: " in result.output) == command.startswith("yolo")


def test_predictions_become_coco(data):
    command = "convert to-coco predictions.jsonl out.json --images images --annotations coco.json"
    result = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert "out.json: 1 images, 0 objects" in result.output
    assert json.loads((data / "out.json").read_text()) == []
