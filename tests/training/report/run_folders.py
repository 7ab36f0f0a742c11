"""Run folders as jobs leave them, written by hand; their models have random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from inference.types import Task
from tests.model_folders import write_detector_folder, write_model_folder
from training.automl.leaderboard import point_best_at
from training.data.records import ObjectLabel, Record
from training.data.split_files import write_split
from training.environment import environment
from training.runs import Run, Trial, write_json

LABELS = ('<b>&"', "dog")
METRIC = {
    Task.CLASSIFICATION: "accuracy",
    Task.MULTILABEL: "iou",
    Task.DETECTION: "mean_average_precision",
}


def write_run(root: Path, task: Task) -> Run:
    """Write a job of one trial that has not started; `finish` completes its trial."""
    run = Run(root / "small" / "one")
    run.path.mkdir(parents=True)
    (run.path / "job.yaml").touch()
    resolved = {"mode": "single", "task": task.value, "primary_metric": METRIC[task]}
    (run.path / "job.resolved.yaml").write_text(yaml.safe_dump(resolved))
    records = _records(root / "images", task)
    counts: dict[str, Any] = {"images": len(records), "dropped": []}
    write_json(run.path / "data.json", {"labels": LABELS, "train": counts, "validation": counts})
    write_json(run.path / "env.json", environment())
    write_split(run.path / "validation.jsonl", records)
    new_trial(run, 0)
    return run


def new_trial(run: Run, number: int, **values: Any) -> Trial:
    """Add a trial of two epochs, whose metric in the second is its number / 10."""
    parameters = {"model_name": "resnet18"}
    point = {"space": 0, "values": {"model_name": "resnet18", **values}}
    trial = run.new_trial({"parameters": parameters, "point": point}, number=number)
    metric = yaml.safe_load((run.path / "job.resolved.yaml").read_text())["primary_metric"]
    rows = [
        {"epoch": 0, "seconds": 1.0, "train_loss": 2.0, "valid_loss": float("nan")},
        {"epoch": 1, "seconds": 1.0, "train_loss": 1.0, metric: number / 10},
    ]
    trial.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return trial


def finish(run: Run, task: Task, evaluation: dict[str, Any]) -> None:
    """Complete trial 000: its evaluation, a model folder, and the link to it."""
    (trial,) = run.trials()
    write_json(trial.path / "evaluation.json", evaluation)
    if task is Task.DETECTION:
        write_detector_folder(
            trial.model,
            family="yolov5",
            labels=LABELS,
            settings={"img_size": 64, "box_score_thresh": 0.0, "box_detections_per_img": 5},
            options={"model_size": "nano"},
        )
    else:
        write_model_folder(trial.model, labels=LABELS, task=task)
    trial.write_status("completed", metrics=evaluation["metrics"])
    point_best_at(run, "000")


def _records(folder: Path, task: Task) -> list[Record]:
    """Six images, one of which is gone; every label occurs."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    records = []
    for number in range(6):
        path = folder / f"{number}<i>.jpg"
        if number:
            Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).save(path)
        label: Any = LABELS[number % 2]
        if task is Task.MULTILABEL:
            label = (label,)
        elif task is Task.DETECTION:
            label = (ObjectLabel(label, (0.1, 0.1, 0.6, 0.9)),)
        records.append(Record(path, label, f"rows.jsonl:{number}"))
    return records
