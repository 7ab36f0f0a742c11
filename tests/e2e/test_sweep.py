"""Sweeps as a user sees them: real trials, small ones."""

import json
import os
import signal
import time

import pytest
import yaml

from inference.model_folder import open_model_folder
from tests.e2e.commands import run, start
from tests.e2e.jobs import write_job
from training.automl.lifeline import trial_lock
from training.metrics_file import MetricsFile
from training.runs import Run

LIMITS = {"max_trials": 2, "max_concurrent_trials": 1, "timeout_minutes": 30}


def write_sweep(path, data, *, limits=LIMITS, **parameters):
    write_job(path, data, **parameters)
    job = yaml.safe_load(path.read_text())
    learning_rate = {"type": "choice", "values": [0.01, 0.0001]}
    job.update(
        limits=limits,
        search_space=[{"model_name": "resnet18", "learning_rate": learning_rate}],
        sweep={"sampling_algorithm": "grid"},
    )
    path.write_text(yaml.safe_dump(job))
    return path


def checksum(folder):
    return open_model_folder(folder / "model").facts.files["model.safetensors"]


@pytest.mark.slow
def test_a_killed_sweep_goes_on_to_the_models_of_an_uninterrupted_one(data, tmp_path):
    job = write_sweep(tmp_path / "job.yml", data)
    done = run("-m", "training", "run", job, "--set", "name=whole", "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trial 001 completed" in done.stdout

    process = start("-m", "training", "run", job, "--set", "name=killed", "--runs", tmp_path)
    folder = tmp_path / "small" / "killed"
    second = MetricsFile(folder / "trials/001/metrics.jsonl")
    deadline = time.monotonic() + 200
    while not second.rows():
        assert time.monotonic() < deadline, "the sweep made no progress"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with trial_lock(folder / "trials/001"):  # its trial has ended by itself
        assert not (folder / "trials/001/model").exists()

    resumed = run("-m", "training", "resume", "killed", "--runs", tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    whole = Run(tmp_path / "small" / "whole")
    for trial in whole.trials():
        assert checksum(folder / "trials" / trial.path.name) == checksum(trial.path)
    assert (folder / "best").resolve().name == (whole.path / "best").resolve().name
    rows = json.loads((folder / "leaderboard.json").read_text())
    assert [row["state"] for row in rows] == ["completed", "completed"]

    shown = run("-m", "training", "show", "killed", "--runs", tmp_path).stdout
    assert "learning_rate" in shown
    assert "model folder" in shown
    played = run(
        "-m", "training", "replay", "killed", "--slack-factor", "0.1", "--runs", tmp_path
    ).stdout
    assert "of 6 evaluations" in played


@pytest.mark.slow
def test_a_smaller_batch_goes_on_from_the_checkpoint(data, tmp_path):
    job = write_sweep(
        tmp_path / "job.yml", data, limits={**LIMITS, "max_trials": 1}, number_of_epochs=2
    )
    done = run("-m", "training", "run", job, "--set", "name=small", "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    trial = tmp_path / "small/small/trials/000"
    stated = json.loads((trial / "params.json").read_text())
    stated["parameters"].update(
        number_of_epochs=4, training_batch_size=4, gradient_accumulation_step=2
    )
    (trial / "params.json").write_text(json.dumps(stated))
    again = run("-m", "training.trial", trial)
    assert again.returncode == 0, again.stderr
    assert [row["epoch"] for row in MetricsFile(trial / "metrics.jsonl").rows()] == [0, 1, 2, 3]


@pytest.mark.slow
def test_the_system_chooses_by_itself(data, tmp_path):
    job = write_job(tmp_path / "job.yml", data, number_of_epochs=1)
    content = yaml.safe_load(job.read_text())
    del content["training_parameters"]["model_name"]
    job.write_text(yaml.safe_dump(content))
    arguments = ("--set", "name=auto", "--set", "limits.max_trials=2", "--runs", tmp_path)
    done = run("-m", "training", "run", job, *arguments)
    assert done.returncode == 0, done.stderr
    resolved = yaml.safe_load((tmp_path / "small/auto/job.resolved.yaml").read_text())
    assert resolved["automode"]["version"] == 1
    assert open_model_folder(tmp_path / "small/auto/best/model").facts.provenance["run"]
