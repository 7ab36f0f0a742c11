"""Whole pages of small run folders."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from inference.types import Detections, Task
from tests.training.report.run_folders import LABELS, METRIC, finish, new_trial, write_run
from training.__main__ import app
from training.metrics.detection import ImageTruth, compare
from training.metrics.detection_evaluation import detection_evaluation
from training.metrics.evaluation import evaluation
from training.report.class_curves import MOST_CURVES
from training.report.evidence import read_evidence
from training.report.page import page_html
from training.report.plots import COLORS
from training.report.scoring import score
from training.report.write import write_report
from training.runs import write_json

OF_EVERY_JOB = ["Summary", "Leaderboard", "Training curves"]
OF_CLASSIFIERS = [
    "Classes", "Confusion", "ROC and precision-recall", "Reliability", "Worst mistakes",
]  # fmt: skip
OF_DETECTORS = ["Classes", "Precision and recall", "Errors", "Examples"]
TASKS = [
    (Task.CLASSIFICATION, OF_CLASSIFIERS),
    (Task.MULTILABEL, OF_CLASSIFIERS),
    (Task.DETECTION, OF_DETECTORS),
]


class Page(HTMLParser):
    """Headings, tags, addresses and paragraphs that tell of a problem."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sections: list[str] = []
        self.addresses: list[str] = []
        self.problems = text.count('class="problem"')
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.sections.append(data)
            self.tags.append("/h2")


def results(task):
    rng = np.random.default_rng(0)
    if task is not Task.DETECTION:
        probs = rng.random((6, 2)).astype(np.float32)
        return evaluation(probs, np.eye(2, dtype=np.float32)[[0, 1] * 3], labels=LABELS, task=task)
    boxes = np.array([[8, 6, 48, 54]], np.float32)
    found = Detections(boxes, np.array([0.9], np.float32), np.array([0]))
    truth = ImageTruth(boxes, np.array([0]), np.array([False]), (60, 80))
    return detection_evaluation(compare([found], [truth], labels=LABELS, metric_type="voc"))


@pytest.mark.parametrize(("task", "sections"), TASKS, ids=lambda v: getattr(v, "value", ""))
def test_a_finished_job_has_all_sections_and_loads_nothing(tmp_path, task, sections):
    run = write_run(tmp_path, task)
    finish(run, task, results(task))
    text = write_report(run).read_text()
    page = Page(text)
    assert page.sections == OF_EVERY_JOB + sections
    assert page.problems == 0
    assert page.tags.count("img") >= 2
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    without_pictures = re.sub(r'"data:image[^"]*"', "", text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", without_pictures)
    assert {"script", "link", "iframe"}.isdisjoint(page.tags)
    assert "prefers-color-scheme: dark" in text
    assert "5 of 6 images" in text  # one is gone


@pytest.mark.parametrize("task", [task for task, _ in TASKS])
def test_labels_and_file_names_are_no_html(tmp_path, task):
    run = write_run(tmp_path, task)
    finish(run, task, results(task))
    text = page_html(read_evidence(run))
    assert "&lt;b&gt;&amp;&quot;" in text
    assert LABELS[0] not in text
    assert "<i>.jpg" not in text


def test_a_run_that_has_just_begun_has_what_there_is(tmp_path):
    run = write_run(tmp_path, Task.CLASSIFICATION)
    text = page_html(read_evidence(run))
    assert Page(text).sections == OF_EVERY_JOB
    assert "python -m training resume small/one" in text


def test_a_section_that_fails_leaves_the_others(tmp_path):
    run = write_run(tmp_path, Task.CLASSIFICATION)
    finish(run, Task.CLASSIFICATION, {**results(Task.CLASSIFICATION), "confusion_matrix": "<b>"})
    page = Page(text := page_html(read_evidence(run)))
    assert page.sections == OF_EVERY_JOB + OF_CLASSIFIERS
    assert page.problems == 1
    assert "This section could not be made" in text


def test_a_damaged_model_costs_only_its_predictions(tmp_path):
    run = write_run(tmp_path, Task.CLASSIFICATION)
    finish(run, Task.CLASSIFICATION, results(Task.CLASSIFICATION))
    (run.path / "best/model/model.safetensors").write_bytes(b"")
    page = Page(text := page_html(read_evidence(run)))
    assert page.sections == OF_EVERY_JOB + OF_CLASSIFIERS[:3]
    assert "The model could not be run" in text


def sweep(root: Path, *, trials: int):
    run = write_run(root, Task.CLASSIFICATION)
    resolved = yaml.safe_load((run.path / "job.resolved.yaml").read_text())
    (run.path / "job.resolved.yaml").write_text(yaml.safe_dump({**resolved, "mode": "sweep"}))
    for number in range(1, trials + 1):
        trial = new_trial(run, number, learning_rate=0.01 * number)
        trial.write_status("completed", metrics={METRIC[Task.CLASSIFICATION]: number / 10})
        run.log_event("ended", trial=trial.path.name, outcome="completed", reason="")
    run.log_event("ended", trial="000", outcome="failed", reason="<b>no memory")
    return run


@pytest.mark.parametrize(
    ("trials", "said"), [(2, "2 trials have completed"), (4, "learning rate: 100%")]
)
def test_a_sweep_tells_what_mattered_once_four_trials_have_completed(tmp_path, trials, said):
    text = page_html(read_evidence(sweep(tmp_path, trials=trials)))
    assert Page(text).sections == [*OF_EVERY_JOB, "What mattered"]
    assert said in text
    assert "&lt;b&gt;no memory" in text
    assert text.index(f'row">00{trials}') < text.index('row">001') < text.index('row">000')


def test_images_and_time_are_bounded(tmp_path):
    run = write_run(tmp_path, Task.CLASSIFICATION)
    finish(run, Task.CLASSIFICATION, results(Task.CLASSIFICATION))
    evidence = read_evidence(run)
    chosen = score(evidence.model, evidence.validation, most_images=3)
    assert len(chosen.records) <= 3
    again = score(evidence.model, evidence.validation, most_images=3)
    assert [one.image for one in chosen.records] == [one.image for one in again.records]
    at_once = score(evidence.model, evidence.validation, most_seconds=0)
    assert len(at_once.records) <= 1
    assert at_once.note.endswith("of 6 images")


def test_the_command_writes_where_it_is_told(tmp_path):
    write_run(tmp_path, Task.CLASSIFICATION)
    out = tmp_path / "pages" / "one.html"
    done = CliRunner().invoke(app, ["report", "one", "--runs", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text().startswith("<!doctype html>")


def test_of_many_classes_the_worst_are_shown(tmp_path):
    count = MOST_CURVES + 10
    labels = [f"class {n}" for n in range(count)]
    rng = np.random.default_rng(0)
    targets = np.eye(count, dtype=np.float32)[np.arange(3 * count) % count]
    run = write_run(tmp_path, Task.CLASSIFICATION)
    probs = rng.random((3 * count, count)).astype(np.float32)
    write_json(
        run.path / "trials/000/evaluation.json",
        evaluation(probs, targets, labels=labels, task=Task.CLASSIFICATION),
    )
    text = page_html(read_evidence(run))
    assert "most frequent confusions" in text
    assert f"{MOST_CURVES} of {count} classes, the 8 lowest in colour" in text
    assert text.count('class="line faint"') == 2 * (MOST_CURVES - COLORS)
