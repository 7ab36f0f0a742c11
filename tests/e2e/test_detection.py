"""Detectors from job file to predictions: every family's way, killed runs, drawn pictures."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from inference.model_folder import open_model_folder
from inference.predictor import Predictor
from inference.pyfunc import _load_pyfunc
from tests.e2e.commands import run, start
from training.data.synthetic import write_detection_dataset
from training.jobs import prepare
from training.metrics_file import MetricsFile
from training.trial import main as run_trial

YOLO = {"model_name": "yolov5", "model_size": "nano", "image_size": 64, "training_batch_size": 6}
RCNN = {"min_size": 48, "max_size": 64, "rois_per_image": 16, "validation_batch_size": 2}
TASKS = {"detection": "image_object_detection", "segmentation": "image_instance_segmentation"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve scenes to learn from and four to validate, with polygons; boxes follow from them."""
    folder = tmp_path_factory.mktemp("scenes")
    write_detection_dataset(
        folder,
        images=12,
        validation_images=6,
        size_hw=(72, 96),
        objects=(2, 3),
        seed=4,
        masks=True,
    )
    return folder


def write_job(path: Path, data: Path, *, task: str, **parameters: object) -> Path:
    job = {
        "task": TASKS[task],
        "experiment_name": "small",
        "training_data": {"path": str(data / "training-mltable-folder")},
        "validation_data": {"path": str(data / "validation-mltable-folder")},
        "training_parameters": {
            "pretrained": False,
            "number_of_epochs": 2,
            "number_of_workers": 0,
            "random_seed": 3,
            "box_score_threshold": 0.001,
            **parameters,
        },
    }
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    return path


def trained(job: Path, root: Path) -> Path:
    """Train in this process; return the trial's folder."""
    prepared, _, _ = prepare(job, overrides=["name=one"], root=root)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    (trial,) = prepared.trials()
    try:
        assert run_trial(trial.path) == 0, (trial.path / "log.txt").read_text()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return trial.path


@pytest.mark.parametrize(
    ("task", "parameters"),
    [
        ("detection", YOLO),
        pytest.param(
            "segmentation", {"model_name": "maskrcnn_resnet18_fpn", **RCNN}, marks=pytest.mark.slow
        ),
        pytest.param(
            "detection", {"model_name": "fasterrcnn_resnet18_fpn", **RCNN}, marks=pytest.mark.slow
        ),
        pytest.param(
            "detection",
            {"model_name": "retinanet_resnet50_fpn", "min_size": 48, "max_size": 64},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "detection",
            {"model_name": "d_fine", "image_size": 128},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "detection",
            {"model_name": "rt_detr_v2", "image_size": 128},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "detection",
            {**YOLO, "tile_grid_size": "2x1", "multi_scale": True, "number_of_workers": 1},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda value: value.get("model_name") if isinstance(value, dict) else value,
)
def test_a_job_gives_a_model_folder_that_finds_objects(
    tmp_path: Path, data: Path, task: str, parameters: dict[str, object]
) -> None:
    trial = trained(write_job(tmp_path / "job.yml", data, task=task, **parameters), tmp_path)
    rows = MetricsFile(trial / "metrics.jsonl").rows()
    assert all(row["train_loss"] > 0 and row["valid_loss"] > 0 for row in rows)
    parity = json.loads((trial / "parity.json").read_text())
    assert set(parity) == {"torch", "onnxruntime"}
    assert max(parity.values()) <= 1e-3
    folder = open_model_folder(trial / "model")
    assert set(folder.facts.metrics) >= {"mean_average_precision", "precision", "recall"}
    assert folder.facts.object_px is not None
    photo = next((data / "images").glob("*.jpg"))
    with Predictor(folder, engine="torch", device="cpu") as predictor:
        (found,) = predictor.score_all([photo])
    assert found.size_hw == (72, 96)
    model = _load_pyfunc(str(trial / "model"))
    frame = model.predict(pd.DataFrame({"image": [photo.read_bytes()]}))
    # the surest of them: near a threshold, rounding decides whether a box is kept
    scores = [box["score"] for box in frame["boxes"][0]]
    np.testing.assert_allclose(scores[:5], found.detections.scores[:5], atol=1e-4)


@pytest.mark.slow
def test_a_killed_detector_resumes_to_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, data: Path
) -> None:
    """With a moving average, mosaics and anchors, all of which a checkpoint must hold."""
    job = write_job(tmp_path / "job.yml", data, task="detection", **{**YOLO, "number_of_epochs": 3})
    whole, killed = (tmp_path / "small" / name / "trials" / "000" for name in ("whole", "killed"))
    done = run("-m", "training", "run", job, "--set", "name=whole", "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    process = start("-m", "training", "run", job, "--set", "name=killed", "--runs", tmp_path)
    deadline = time.monotonic() + 120
    while not MetricsFile(killed / "metrics.jsonl").rows():
        assert time.monotonic() < deadline, "the run made no progress"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    resumed = run("-m", "training", "resume", "killed", "--runs", tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    hashes = [
        open_model_folder(trial / "model").facts.files["model.safetensors"]
        for trial in (whole, killed)
    ]
    assert hashes[0] == hashes[1]

    drawn = run(
        "-m", "inference", data / "images", "--model", whole / "model",
        "--draw", tmp_path / "drawn", "--output", tmp_path / "found.jsonl",
        "--set", "box_detections_per_img=3",
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert len(lines) == 18
    assert all(len(line["boxes"]) <= 3 for line in lines)
    pictures = sorted((tmp_path / "drawn").glob("*.jpg"))
    assert [picture.stem for picture in pictures] == [Path(x["filename"]).stem for x in lines]
    with Image.open(pictures[0]) as picture:
        assert picture.size == (96, 72)
