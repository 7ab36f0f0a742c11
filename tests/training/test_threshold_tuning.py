"""`tune-thresholds` on run folders whose models have random weights."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from inference.errors import UsageError
from inference.model_folder import open_model_folder
from inference.types import Task
from tests.training.report.run_folders import finish, write_run
from training.__main__ import app
from training.data.records import ObjectLabel
from training.data.split_files import read_split, write_split
from training.report.classified import classified
from training.report.detected import detected
from training.report.scoring import score
from training.threshold_tuning import tune_thresholds

EVALUATION = {"metrics": {"accuracy": 0.5, "iou": 0.5, "mean_average_precision": 0.5}}


def finished_run(tmp_path, task):
    run = write_run(tmp_path, task)
    finish(run, task, EVALUATION)
    return run


def score_all(run):
    return score(run.path / "best" / "model", read_split(run.path / "validation.jsonl"))


def test_labels_are_tuned_in_settings_json_and_the_hashes_still_hold(tmp_path):
    run = finished_run(tmp_path, Task.MULTILABEL)
    found = classified(score_all(run))
    result = CliRunner().invoke(
        app, ["tune-thresholds", run.name, "--runs", str(tmp_path), "--objective", "recall@1"]
    )
    assert result.exit_code == 0, result.output
    assert "confidence_score_threshold_multilabel 0.5 → " in result.output
    assert "recall" in result.output
    settings = open_model_folder(run.path / "best" / "model").settings
    threshold = settings.model_dump()["confidence_score_threshold_multilabel"]
    right = found.probs[found.targets > 0]
    assert (right >= threshold).all()
    between = found.probs[(found.probs < right.min())]
    assert (between < threshold).all()
    again = tune_thresholds(run, "recall@1")
    assert again.before == again.choice.point
    assert again.before.threshold == threshold


def test_boxes_are_tuned_among_all_that_the_model_finds(tmp_path):
    run = finished_run(tmp_path, Task.DETECTION)
    path = run.path / "validation.jsonl"
    found = detected(score_all(run))
    with_a_hit = []  # the second-surest box of every image becomes its object
    for record, one, truth in zip(found.records, found.found, found.truths, strict=True):
        height, width = truth.size_hw
        x1, y1, x2, y2 = one.boxes_xyxy[1].tolist()
        box = ObjectLabel(
            found.labels[one.label_ids[1]], (x1 / width, y1 / height, x2 / width, y2 / height)
        )
        with_a_hit.append(replace(record, label=(box,)))
    write_split(path, with_a_hit)
    settings = run.path / "best" / "model" / "settings.json"
    tuned = tune_thresholds(run, "recall@1")
    written = json.loads(settings.read_text())
    assert written["box_score_thresh"] == tuned.choice.point.threshold
    assert tuned.choice.point.recall == 1
    assert tuned.before.threshold == 0
    assert tuned.before.precision <= tuned.choice.point.precision
    kept = detected(score_all(run)).found  # with what was written, the server answers just that
    lowest = min(one.scores[1] for one in found.found)
    assert [len(one) for one in kept] == [int((one.scores >= lowest).sum()) for one in found.found]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: finished_run(root, Task.CLASSIFICATION), "nothing to tune: a multi-class"),
        (lambda root: write_run(root, Task.DETECTION), "has no model yet; finish it with"),
    ],
)
def test_jobs_without_a_threshold_or_a_model_are_told_so(tmp_path, prepare, message):
    with pytest.raises(UsageError, match=message):
        tune_thresholds(prepare(tmp_path), "f1")
