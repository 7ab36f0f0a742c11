"""Jobs train on the GPU as a user starts them: to the end, on after a kill, in less memory."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from inference.model_folder import open_model_folder
from tests.e2e.commands import run, start
from tests.e2e.jobs import write_job
from training.data.synthetic import write_detection_dataset, write_multilabel_dataset
from training.metrics_file import MetricsFile

pytestmark = pytest.mark.gpu
DETECTION = {
    "model_name": "fasterrcnn_resnet18_fpn",
    "min_size": 96,
    "max_size": 128,
    "training_batch_size": 4,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_multilabel_dataset(folder, images=64, validation_images=16, size_hw=(64, 64))
    return folder


def trained(job: Path, runs: Path, **options: dict[str, str]) -> Path:
    """Train to the end; return the trial's folder."""
    ran = run("-m", "training", "run", job, "--runs", runs, **options)
    assert ran.returncode == 0, ran.stderr
    (best,) = runs.glob("*/*/best")
    assert json.loads((best / "status.json").read_text())["state"] == "completed"
    return best


def values(trial: Path) -> list[dict[str, float]]:
    rows = MetricsFile(trial / "metrics.jsonl").rows()
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]


def test_a_classifier_trains_and_goes_on_after_a_kill(data: Path, tmp_path: Path) -> None:
    job = write_job(
        tmp_path / "job.yaml",
        data,
        task="image_classification_multilabel",
        number_of_epochs=8,
        early_stopping=False,
    )
    whole = trained(job, tmp_path / "whole")
    environment = json.loads((whole.resolve().parents[1] / "env.json").read_text())
    assert environment["accelerator"]
    process = start("-m", "training", "run", job, "--runs", tmp_path / "cut")
    deadline = time.monotonic() + 120
    while not any(
        len(values(p.parent)) >= 2 for p in tmp_path.glob("cut/*/*/trials/*/metrics.jsonl")
    ):
        assert time.monotonic() < deadline, "no epochs"
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (cut,) = tmp_path.glob("cut/*/*")
    ran = run("-m", "training", "resume", f"small/{cut.name}", "--runs", tmp_path / "cut")
    assert ran.returncode == 0, ran.stderr
    expected, got = values(whole), values(cut / "best")
    assert len(got) == len(expected) == 8
    for one, other in zip(expected, got, strict=True):
        assert one["valid_loss"] == pytest.approx(other["valid_loss"], rel=0.05)


def test_a_detector_trains(tmp_path: Path) -> None:
    write_detection_dataset(tmp_path / "data", images=16, validation_images=4, size_hw=(96, 128))
    job = write_job(
        tmp_path / "job.yaml", tmp_path / "data", task="image_object_detection", **DETECTION
    )
    best = trained(job, tmp_path / "runs")
    open_model_folder(best / "model")


def test_a_trial_without_memory_goes_on_with_half_the_batch(data: Path, tmp_path: Path) -> None:
    job = write_job(
        tmp_path / "job.yaml",
        data,
        task="image_classification_multilabel",
        number_of_epochs=1,
        training_batch_size=64,
        training_crop_size=512,
        validation_crop_size=512,
        validation_resize_size=512,
    )
    limit = {"PYTORCH_ALLOC_CONF": "per_process_memory_fraction:0.02"}  # 1.6 of 80 GB
    best = trained(job, tmp_path / "runs", env=limit)
    parameters = json.loads((best / "params.json").read_text())["parameters"]
    assert parameters["training_batch_size"] < 64
    assert parameters["training_batch_size"] * parameters["gradient_accumulation_step"] == 64
