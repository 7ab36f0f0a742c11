"""A folder through a detector: lines, pictures, settings, and what a second run takes for done."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from inference.__main__ import app
from inference.errors import UsageError
from inference.folder import plan
from inference.folder_sources import LocalFolder
from inference.model_folder import ModelFolder
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_detector_folder(
        tmp_path_factory.mktemp("model"),
        family="yolov5",
        settings={"img_size": 64, "box_score_thresh": 0.002},
        options={"model_size": "nano"},
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.jpg", "a.png", "b/c.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(seed, size_wh=(90, 60)))
    return tmp_path / "photos"


def test_boxes_are_written_and_drawn_and_not_written_again(
    photos: Path, tmp_path: Path, model: ModelFolder
) -> None:
    output, drawn = tmp_path / "found.jsonl", tmp_path / "drawn"
    command = [str(photos), "--model", str(model.path), "--output", str(output)]
    command += ["--draw", str(drawn), "--set", "box_detections_per_img=2"]
    assert CliRunner().invoke(app, command).exit_code == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["filename"] for line in lines] == ["a.jpg", "a.png", "b/c.png"]
    assert [len(line["boxes"]) for line in lines] == [2, 2, 2]
    for name in ("a.jpg", "a.png.jpg", "b/c.png.jpg"):
        with Image.open(drawn / name) as picture:
            assert picture.size == (90, 60)
    again = plan(LocalFolder(photos), output, labels=model.facts.labels)
    assert (again.names, again.done_before) == ((), 3)


def test_boxes_of_another_models_labels_are_not_taken_for_done(
    photos: Path, tmp_path: Path, model: ModelFolder
) -> None:
    output = tmp_path / "found.jsonl"
    output.write_text('{"filename": "a.jpg", "boxes": [{"label": "zebra"}]}\n')
    with pytest.raises(UsageError, match="holds scores of another model, with labels zebra"):
        plan(LocalFolder(photos), output, labels=model.facts.labels)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("box_score_thresh", "--set takes NAME=VALUE, got 'box_score_thresh'"),
        ("box_score_thresh=2", "settings.box_score_thresh"),
        ("img_size=64", "img_size belongs to the model"),
    ],
)
def test_wrong_settings_are_named(
    photos: Path, tmp_path: Path, model: ModelFolder, override: str, message: str
) -> None:
    command = [str(photos), "--model", str(model.path), "--output", str(tmp_path / "x.jsonl")]
    result = CliRunner().invoke(app, [*command, "--set", override])
    assert message in str(result.exception)
