import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.folder import ERRORS_FILE, Scorer, plan, score_folder
from inference.folder_sources import LocalFolder
from inference.model_folder import ModelFolder
from inference.predictor import Predictor
from tests.inference.images import encoded
from tests.model_folders import write_model_folder

ROOT = Path(__file__).parents[2]
FAST = ("--engine", "onnxruntime", "--device", "cpu")  # starts without importing torch
NAMES = ["a.jpg", "b/c.jpg", "b/d.jpg", "z.jpg"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model_folder(tmp_path_factory.mktemp("model"), onnx=True)


@pytest.fixture(scope="module")
def predictor(model: ModelFolder) -> Iterator[Predictor]:
    with Predictor(model, device="cpu", max_batch=2) as predictor:
        yield predictor


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(seed))
    return tmp_path / "photos"


def score(photos: Path, output: Path, predictor: Predictor, **options: Any) -> tuple[int, int]:
    todo = plan(LocalFolder(photos), output, labels=predictor.folder.facts.labels)
    tally = score_folder(todo, output, Scorer(predictor, **options))
    return tally.scored, tally.failed


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_empty_folder_writes_nothing(tmp_path: Path, predictor: Predictor) -> None:
    output = tmp_path / "predictions.jsonl"
    assert score(tmp_path, output, predictor) == (0, 0)
    assert not output.exists()


def test_every_image_gets_its_line_in_order(
    photos: Path, tmp_path: Path, predictor: Predictor
) -> None:
    output = tmp_path / "predictions.jsonl"
    assert score(photos, output, predictor) == (4, 0)
    assert [line["filename"] for line in lines(output)] == NAMES
    for line in lines(output):
        (expected,) = predictor.score_all([photos / line["filename"]])
        assert line["labels"] == ["a", "b", "c"]
        assert line["probs"] == pytest.approx(expected.probs.tolist(), abs=1e-5)


def test_bad_files_are_listed_beside_and_tried_again(
    photos: Path, tmp_path: Path, predictor: Predictor
) -> None:
    output, errors = tmp_path / "predictions.jsonl", tmp_path / ERRORS_FILE
    (photos / "b/c.jpg").write_bytes(b"")
    (photos / "link.jpg").symlink_to("nowhere")
    assert score(photos, output, predictor) == (3, 2)
    assert [(e["filename"], e["error"]["code"]) for e in lines(errors)] == [
        ("b/c.jpg", "bad_image"),
        ("link.jpg", "unreadable_file"),
    ]
    (photos / "b/c.jpg").write_bytes(encoded(9))
    (photos / "link.jpg").unlink()
    assert score(photos, output, predictor) == (1, 0)
    assert [line["filename"] for line in lines(output)] == ["a.jpg", "b/d.jpg", "z.jpg", "b/c.jpg"]
    assert not errors.exists()


def test_explanations_join_the_line(photos: Path, tmp_path: Path, predictor: Predictor) -> None:
    output = tmp_path / "predictions.jsonl"
    score(photos, output, predictor, explain=lambda data: {"visualizations": str(len(data))})
    for line in lines(output):
        size = (photos / line["filename"]).stat().st_size
        assert list(line) == ["filename", "probs", "labels", "visualizations"]
        assert line["visualizations"] == str(size)


def start(photos: Path, model: str, *options: str, cwd: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "inference", str(photos), "--model", model, *FAST, *options],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "BENTOML_HOME": str(cwd / "store")},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """A shell's background jobs, this test run perhaps among them, are started deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(photos: Path, model: str, *options: str, cwd: Path) -> tuple[int, str]:
    process = start(photos, model, *options, cwd=cwd)
    _, stderr = process.communicate(timeout=120)
    assert "Traceback" not in stderr
    return process.returncode, stderr.strip().splitlines()[-1]


def wait_for_lines(path: Path, count: int) -> None:
    for _ in range(6000):
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} has no {count} lines after 60 s")


def test_the_command_tells_success_from_failure(
    photos: Path, tmp_path: Path, model: ModelFolder
) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    code, said = run(photos, str(model.path), cwd=tmp_path)
    assert (code, said) == (1, "4 images scored into predictions.jsonl, 1 failed, see errors.jsonl")
    (photos / "bad.png").unlink()
    code, said = run(photos, str(model.path), cwd=tmp_path)
    assert (code, said) == (0, "0 images scored into predictions.jsonl, 4 were there already")


@pytest.mark.slow
def test_the_command_explains(photos: Path, tmp_path: Path, model: ModelFolder) -> None:
    options = ("--explain", "guided_gradcam", "--attributions", "--output", "explained.jsonl")
    code, _ = run(photos, str(model.path), *options, cwd=tmp_path)
    assert code == 0
    for line in lines(tmp_path / "explained.jsonl"):
        assert base64.b64decode(line["visualizations"]).startswith(b"\x89PNG")
        assert [len(line["attributions"]), len(line["attributions"][0])] == [3, 64]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--explain", "lime"),
            "error: unknown algorithm 'lime' (allowed: gradcam, guided_backprop",
        ),
        (("--engine", "tourch"), "error: unknown engine 'tourch'; did you mean 'torch'?"),
        (("--output", "no/where.jsonl"), "error: folder no for the output does not exist"),
        (("--model", "no:model"), "error: model 'no:model' is neither a model folder nor in"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    photos: Path, tmp_path: Path, model: ModelFolder, options: tuple[str, ...], message: str
) -> None:
    code, said = run(photos, str(model.path), *options, cwd=tmp_path)
    assert code == 2
    assert said.startswith(message)


def test_a_killed_run_is_finished_by_the_same_command(tmp_path: Path, model: ModelFolder) -> None:
    photos = many_photos(tmp_path)
    output = tmp_path / "predictions.jsonl"
    process = start(photos, str(model.path), cwd=tmp_path)
    wait_for_lines(output, 3)
    process.kill()
    process.communicate()
    before = output.read_bytes()
    assert 3 <= before.count(b"\n") < 200
    with output.open("ab") as file:
        file.write(b'{"filename":"0199.jpg","pro')  # what a kill in the middle of a write leaves
    code, _ = run(photos, str(model.path), cwd=tmp_path)
    assert code == 0
    assert output.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    names = [line["filename"] for line in lines(output)]
    assert names == [f"{i:04}.jpg" for i in range(200)]


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, model: ModelFolder) -> None:
    process = start(many_photos(tmp_path), str(model.path), cwd=tmp_path)
    wait_for_lines(tmp_path / "predictions.jsonl", 3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.strip().splitlines()[-1] == (
        "stopped; the same command goes on where predictions.jsonl ends"
    )


def many_photos(tmp_path: Path) -> Path:
    """200 links to one file: enough to be interrupted, cheap to make."""
    photos = tmp_path / "photos"
    photos.mkdir()
    first = photos / "0000.jpg"
    first.write_bytes(encoded(size_wh=(640, 480)))
    for i in range(1, 200):
        os.link(first, photos / f"{i:04}.jpg")
    return photos


@pytest.fixture
def stored(tmp_path: Path, model: ModelFolder) -> str:
    script = (
        "import sys, shutil, bentoml\n"
        "with bentoml.models.create('tiny') as model:\n"
        "    shutil.copytree(sys.argv[1], model.path, dirs_exist_ok=True)\n"
        "print(model.tag)"
    )
    env = {**os.environ, "BENTOML_HOME": str(tmp_path / "store"), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-c", script, str(model.path)]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("spelling", ["{}", "tiny:latest"])
def test_models_of_the_store_are_found_by_tag(
    photos: Path, tmp_path: Path, stored: str, spelling: str
) -> None:
    code, said = run(photos, spelling.format(stored), cwd=tmp_path)
    assert (code, said) == (0, "4 images scored into predictions.jsonl")
