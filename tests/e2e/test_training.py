"""Training as a user sees it: commands, exit codes, files."""

import json
import os
import signal
import time

import mlflow
import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from inference.model_folder import open_model_folder
from inference.predictor import Predictor
from tests.e2e.commands import run, start
from tests.e2e.jobs import write_job
from training.data.synthetic import write_multilabel_dataset
from training.metrics_file import MetricsFile
from training.runs import all_runs, find_run
from training.show import print_run, print_runs

TRIAL = "trials/000"


def metric_rows(run_folder):
    """All rows without what a clock decides."""
    rows = MetricsFile(run_folder / TRIAL / "metrics.jsonl").rows()
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]


def wait_for_epochs(run_folder, count):
    deadline = time.monotonic() + 120
    while len(MetricsFile(run_folder / TRIAL / "metrics.jsonl").rows()) < count:
        assert time.monotonic() < deadline, "the run made no progress"
        time.sleep(0.02)


def photos(data):
    return [path.read_bytes() for path in sorted(data.rglob("*.jpg"))[:5]]


def test_a_run_leaves_everything_that_the_design_names(runs):
    folder = runs / "small" / "whole"
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "job.yaml", "job.resolved.yaml", "env.json", "data.json", "events.jsonl",
        "leaderboard.json", "best", "trials", "train.jsonl", "validation.jsonl",
    }  # fmt: skip
    trial = folder / "best"
    assert {path.name for path in (trial / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert json.loads((trial / "status.json").read_text())["state"] == "completed"
    parity = json.loads((trial / "parity.json").read_text())
    assert set(parity) == {"torch", "onnxruntime"}
    assert max(parity.values()) <= 1e-4


def test_epochs_tell_how_long_they_waited_for_images(runs):
    rows = MetricsFile(runs / "small/whole" / TRIAL / "metrics.jsonl").rows()
    assert all(0 < row["data_seconds"] < row["seconds"] for row in rows)


def test_the_model_folder_tells_where_it_came_from(runs):
    facts = open_model_folder(runs / "small/whole/best/model").facts
    assert facts.labels == ("ball", "bottle", "leaf", "mug")
    assert facts.provenance["run"] == "small/whole"
    assert facts.provenance["seed"] == 3
    assert set(facts.files) == {"model.safetensors", "model.onnx"}
    assert 0 <= facts.metrics["accuracy"] <= 1


def test_a_killed_run_resumes_to_the_metrics_of_an_uninterrupted_one(data, runs, tmp_path):
    job = write_job(tmp_path / "job.yml", data)
    process = start("-m", "training", "run", job, "--set", "name=killed", "--runs", tmp_path)
    folder = tmp_path / "small" / "killed"
    wait_for_epochs(folder, 1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / TRIAL / "model").exists()

    resumed = run("-m", "training", "resume", "killed", "--runs", tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert metric_rows(folder) == metric_rows(runs / "small" / "whole")
    whole = open_model_folder(runs / "small/whole/best/model").facts
    killed = open_model_folder(folder / "best/model").facts
    assert killed.metrics == whole.metrics
    assert killed.files["model.safetensors"] == whole.files["model.safetensors"]


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_a_time_limit_ends_with_the_best_so_far(data, tmp_path):
    job = write_job(tmp_path / "job.yml", data, number_of_epochs=10_000, early_stopping=False)
    process = start("-m", "training", "run", job, "--set", "name=stopped", "--runs", tmp_path)
    folder = tmp_path / "small" / "stopped"
    wait_for_epochs(folder, 1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "python -m training resume small/stopped" in out
    assert "Traceback" not in out + err
    assert json.loads((folder / TRIAL / "status.json").read_text())["state"] == "stopped"

    stated = json.loads((folder / TRIAL / "params.json").read_text())
    stated["timeout_minutes"] = 0.01  # job files take whole minutes, more than a test should
    (folder / TRIAL / "params.json").write_text(json.dumps(stated))
    resumed = run("-m", "training", "resume", "stopped", "--runs", tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(metric_rows(folder)) < 100
    assert (folder / "best/model/model.json").exists()


@pytest.mark.slow
def test_multilabel_trains_and_predicts_probabilities_that_need_not_sum_to_one(tmp_path):
    write_multilabel_dataset(
        tmp_path / "data", images=24, validation_images=8, size_hw=(48, 48), seed=2
    )
    job = write_job(
        tmp_path / "job.yml",
        tmp_path / "data",
        task="image_classification_multilabel",
        number_of_epochs=2,
        checkpoint_frequency=1,
        model_name="mobilenetv2",
    )
    done = run("-m", "training", "run", job, "--set", "name=many", "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    kept = {path.name for path in (tmp_path / "small/many/best/checkpoints").iterdir()}
    assert kept == {"best.ckpt", "last.ckpt", "epoch=000.ckpt", "epoch=001.ckpt"}
    with Predictor(open_model_folder(tmp_path / "small/many/best/model")) as predictor:
        scores = predictor.score_all(photos(tmp_path / "data"))
    assert all(0 <= p <= 1 for one in scores for p in one.probs)
    assert abs(scores[0].probs.sum() - 1) > 1e-3


@pytest.mark.filterwarnings("ignore")  # MLflow warns about its own reading of type hints
def test_mlflow_loads_the_model_folder_and_predicts_what_the_predictor_does(runs, data):
    path = runs / "small/whole/best/model"
    files = photos(data)
    frame = mlflow.pyfunc.load_model(str(path)).predict(pd.DataFrame({"image": files}))
    with Predictor(open_model_folder(path)) as predictor:
        expected = predictor.score_all(files)
    # Which images share a batch depends on timing, and a batch's size changes the last digits.
    np.testing.assert_allclose(frame["probs"].tolist(), [s.probs for s in expected], atol=1e-5)
    assert frame["labels"].iloc[0] == list(expected[0].labels)


@pytest.mark.slow
def test_learning_on_starts_from_the_checkpoint_of_another_run(data, runs):
    done = run(
        "-m", "training", "run", write_job(runs / "further.yml", data, number_of_epochs=1),
        "--set", "checkpoint_run_id=small/whole", "--set", "learning_rate=1e-9",
        "--set", "name=further", "--runs", runs,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    weights = [
        load_file(runs / "small" / name / "best/model/model.safetensors")
        for name in ("whole", "further")
    ]
    for layer in ("conv1.weight", "fc.weight"):  # they do not move at this learning rate
        np.testing.assert_allclose(weights[1][layer], weights[0][layer], atol=1e-6)


def test_list_and_show_tell_about_runs(runs, capsys):
    print_runs(all_runs(runs))
    assert "completed" in capsys.readouterr().out
    print_run(find_run(runs, "whole"))
    assert "balanced_accuracy" in capsys.readouterr().out
