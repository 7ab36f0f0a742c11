"""Trials of several processes, for real: gloo on CPUs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from inference.files import read_json
from tests.training.tiny_trial import COMMAND, LABELS, new_trial
from training.automl.launcher import SubprocessLauncher
from training.automl.slots import Slot
from training.automl.verdicts import judge
from training.data.records import Record
from training.data.split_files import write_split
from training.data.synthetic import write_detection_dataset
from training.jobs import prepare
from training.metrics_file import MetricsFile
from training.runs import Run

ROOT = Path(__file__).parents[2]
FOREVER = {"number_of_epochs": 10_000, "training_batch_size": 2}


def make_run(folder, *, train=16, validation=7):
    """A run of noisy images of two grey levels, each with a mean of its own."""
    chance = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    records = []
    for i in range(train + validation):
        pixels = chance.integers(0, 100, (32, 32, 3)) + 60 * (i % 2)
        path = folder / "images" / f"{i}.png"
        cv2.imwrite(str(path), pixels.astype(np.uint8))
        records.append(Record(path, LABELS[i % 2], str(i)))
    write_split(folder / "train.jsonl", records[:train])
    write_split(folder / "validation.jsonl", records[train:])
    return Run(folder)


def started(trial, **variables):
    command = [*COMMAND, str(trial.path)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables})


def processes_of(trial):
    """Processes that work in a trial."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(trial.path) in (process.info["cmdline"] or []):
            found.append(process)
    return found


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def seen(trial, rank):
    lines = (trial.path / f"seen-{rank}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def column(trial, name):
    return [row[name] for row in MetricsFile(trial.metrics).rows()]


def assert_metrics_are_those_of_one_process(trial, metric="accuracy"):
    """evaluation.json is of the first process alone, on all images."""
    alone = read_json(trial.path / "evaluation.json")["metrics"]
    rows = MetricsFile(trial.metrics).rows()
    best = max(rows, key=lambda row: row[metric])
    assert {name: best[name] for name in alone} == {
        name: float(np.float32(value)) for name, value in alone.items()
    }


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory):
    """The same training by one process with batches of 8, and by two with batches of 4."""
    run = make_run(tmp_path_factory.mktemp("ddp") / "run")
    values = {"number_of_epochs": 3, "validation_batch_size": 1}
    one = new_trial(run, number=0, training_batch_size=8, **values)
    two = new_trial(run, number=1, processes=2, training_batch_size=4, **values)
    running = [started(trial) for trial in (one, two)]
    assert [process.wait(timeout=200) for process in running] == [0, 0]
    return one, two


def test_two_processes_learn_what_one_with_their_batch_learns(one_and_two):
    one, two = one_and_two
    for name in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(column(one, name), column(two, name), atol=1e-4)
    assert column(one, "learning_rate") == column(two, "learning_rate")
    assert column(two, "epoch") == [0, 1, 2]  # once each


def test_validation_is_exact(one_and_two):
    assert_metrics_are_those_of_one_process(one_and_two[1])


def test_weights_are_the_same_in_all_processes(one_and_two):
    first, second = (seen(one_and_two[1], rank) for rank in (0, 1))
    assert [step["weights"] for step in first] == [step["weights"] for step in second]
    assert len({step["weights"] for step in first}) == len(first) == 6


def test_each_epoch_is_divided_among_the_processes(one_and_two):
    one, two = one_and_two
    alone, first, second = seen(one, 0), seen(two, 0), seen(two, 1)
    for step in range(6):
        assert not set(first[step]["images"]) & set(second[step]["images"])
        assert sorted(first[step]["images"] + second[step]["images"]) == sorted(
            alone[step]["images"]
        )
    assert len({mean for step in alone[:2] for mean in step["images"]}) == 16


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_trial_is_started_again(tmp_path):
    trial = new_trial(make_run(tmp_path / "run"), processes=2, **FOREVER)
    trial.write_status("starting")
    handle = SubprocessLauncher(COMMAND).start(trial.path, Slot(0, (), 1), seconds=600)
    wait_until(lambda: len(MetricsFile(trial.metrics).rows()) > 1)
    (other,) = [p for p in processes_of(trial) if p.environ().get("LOCAL_RANK") == "1"]
    other.kill()
    wait_until(lambda: handle.exit_code() is not None, seconds=10)
    assert handle.exit_code() == -signal.SIGKILL
    wait_until(lambda: processes_of(trial) == [], seconds=5)
    assert verdict(trial, handle.exit_code()).next == "restart"


def verdict(trial, code):
    return judge(
        trial.status(),
        code,
        asked="",
        restarts=0,
        kernel_killed=False,
        batch_size=2,
        last_words="",
    )


@pytest.mark.slow
def test_others_end_when_the_first_is_killed(tmp_path):
    trial = new_trial(make_run(tmp_path / "run"), processes=2, **FOREVER)
    process = started(trial)
    wait_until(lambda: trial.metrics.exists())
    process.kill()
    process.wait()
    wait_until(lambda: processes_of(trial) == [], seconds=5)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_all", [False, True])
def test_a_signal_stops_all_and_a_trial_goes_on_from_there(tmp_path, number, to_all):
    trial = new_trial(make_run(tmp_path / "run"), processes=2, **FOREVER)
    process = started(trial)
    wait_until(lambda: len(column(trial, "epoch") if trial.metrics.exists() else []) > 1)
    for one in processes_of(trial) if to_all else [process]:
        one.send_signal(number)
    assert process.wait(timeout=10) == 130
    assert processes_of(trial) == []
    assert trial.status()["state"] == "stopped"
    epochs = len(column(trial, "epoch"))
    stated = read_json(trial.path / "params.json")
    stated["parameters"]["number_of_epochs"] = epochs + 1
    (trial.path / "params.json").write_text(json.dumps(stated))
    assert started(trial).wait(timeout=120) == 0
    assert column(trial, "epoch") == list(range(epochs + 1))


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_no_memory_in_any_process_asks_for_a_smaller_batch(tmp_path, rank):
    trial = new_trial(make_run(tmp_path / "run"), processes=2, training_batch_size=2)
    code = started(trial, FAILING_RANK=rank).wait(timeout=120)
    assert "MemoryError: no memory left" in trial.status()["error"]
    assert verdict(trial, code).next == "smaller"
    assert processes_of(trial) == []


@pytest.mark.slow
def test_four_processes_and_a_rest(tmp_path):
    run = make_run(tmp_path / "run", train=30)
    values = {"number_of_epochs": 2, "training_batch_size": 3, "validation_batch_size": 1}
    trial = new_trial(run, processes=4, **values)
    assert started(trial).wait(timeout=200) == 0
    assert_metrics_are_those_of_one_process(trial)
    steps = [seen(trial, rank) for rank in range(4)]
    assert [[len(step["images"]) for step in one] for one in steps] == [[3, 3] * 2] * 4
    weights = [[step["weights"] for step in one] for one in steps]
    assert weights == [weights[0]] * 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nodes", "torchrun"])
def test_processes_that_others_have_started(tmp_path, kind):
    """Two nodes with two processes each, on this machine."""
    run = make_run(tmp_path / "run")
    nodes = 2 if kind == "nodes" else 1
    values = {"number_of_epochs": 2, "training_batch_size": 2, "validation_batch_size": 1}
    trial = new_trial(run, processes=2, nodes=nodes, **values)
    if kind == "nodes":
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29571"}
        running = [started(trial, NODE_RANK=str(node), **address) for node in (0, 1)]
    else:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", "4", "-m", COMMAND[-1], str(trial.path)]
        running = [subprocess.Popen(command, cwd=ROOT)]
    assert [process.wait(timeout=200) for process in running] == [0] * len(running)
    assert_metrics_are_those_of_one_process(trial)
    assert column(trial, "step") == [2, 4]


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"model_name": "yolov5", "model_size": "nano", "image_size": 64, "multi_scale": True},
        {"model_name": "maskrcnn_resnet18_fpn", "min_size": 48, "max_size": 64},
    ],
)
def test_detectors_are_validated_exactly(tmp_path, parameters):
    """Seven images for two processes; BatchNorm, masks, losses of the validation images."""
    write_detection_dataset(
        tmp_path / "scenes",
        images=11,
        validation_images=7,
        size_hw=(72, 96),
        objects=(2, 3),
        seed=4,
        masks=True,
    )
    segments = parameters["model_name"].startswith("mask")
    job = {
        "task": "image_instance_segmentation" if segments else "image_object_detection",
        "training_data": str(tmp_path / "scenes" / "training-mltable-folder"),
        "validation_data": str(tmp_path / "scenes" / "validation-mltable-folder"),
        "properties": {"processes_per_node": "2"},
        "training_parameters": {
            "pretrained": False,
            "number_of_epochs": 2,
            "number_of_workers": 0,
            "random_seed": 3,
            "training_batch_size": 2,
            "validation_batch_size": 1,
            "box_score_threshold": 0.001,
            **parameters,
        },
    }
    (tmp_path / "job.yml").write_text(json.dumps(job))
    run, _, _ = prepare(tmp_path / "job.yml", overrides=["name=two"], root=tmp_path)
    (trial,) = run.trials()
    handle = SubprocessLauncher().start(trial.path, Slot(0, (), 1), seconds=600)
    wait_until(lambda: handle.exit_code() is not None, seconds=300)
    assert handle.exit_code() == 0, trial.status()
    assert_metrics_are_those_of_one_process(trial, metric="mean_average_precision")
    assert len(column(trial, "valid_loss")) == 2
