"""`check-data` as people call it: exit codes, files written, mistakes in one line."""

import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from typer.testing import CliRunner

from inference.errors import SightlineError
from tests.training.data.doctor_tables import BOX, Tables
from training.__main__ import app


def check(*arguments):
    return CliRunner().invoke(app, ["check-data", *map(str, arguments)])


def damaged(folder, task="detection"):
    """A set with everything that --fix can mend."""
    tables = Tables(folder, task)
    tables.train[1]["filename"] = "kept"
    tables.train += [dict(tables.validation[0]), dict(tables.train[0])]
    tables.train.append({"image_url": "gone.png", "label": tables.train[0]["label"]})
    tables.train.append("{oops")
    if task == "detection":
        bad, tiny = {"label": "cat", **BOX, "bottomX": 0}, {"label": "cat", **BOX, "bottomX": 0.11}
        tables.train[2]["label"] += [bad, tiny, dict(tables.train[2]["label"][0])]
        tables.train.append({**tables.row("x.png", "cat", seed=70), "label": [bad]})
    return tables


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "detection", "segmentation"])
def test_what_fix_writes_passes_and_the_input_stays(tmp_path, task):
    train, validation = damaged(tmp_path, task).write()
    before = train.read_bytes(), validation.read_bytes()
    clean = tmp_path / "out" / "clean.jsonl"
    result = check(train, "--validation", validation, "--fix", clean)
    assert result.exit_code == 1, result.output
    assert "left out: " in result.output
    assert (train.read_bytes(), validation.read_bytes()) == before
    again = check(clean, "--validation", clean.with_name("clean-validation.jsonl"))
    assert again.exit_code == 0, again.output
    assert "0 errors, 0 warnings, 0 notes" in again.output
    rows = [json.loads(line) for line in clean.read_text().splitlines()]
    assert len(rows) == 24
    assert rows[1]["filename"] == "kept"
    assert rows[1]["image_url"] == "../t1.png"


def test_fix_drops_bad_objects_alone_and_images_of_which_nothing_is_left(tmp_path):
    train, _ = damaged(tmp_path).write()
    result = check(train, "--fix", tmp_path / "clean")
    rows = [json.loads(x) for x in (tmp_path / "clean/annotations.jsonl").read_text().splitlines()]
    assert [len(row["label"]) for row in rows] == [1] * 25
    assert "x.png" not in [row["image_url"].removeprefix("../") for row in rows]
    for what in ("bad objects: 2", "tiny objects: 1", "repeated objects: 1", "bad lines: 1"):
        assert what in result.output
    assert (tmp_path / "clean/MLTable").is_file()


def test_json_has_every_example_under_names_that_stay(tmp_path):
    train, validation = damaged(tmp_path).write()
    check(train, "--validation", validation, "--json", tmp_path / "d.json")
    content = json.loads((tmp_path / "d.json").read_text())
    assert list(content) == [
        "schema_version",
        "task",
        "splits",
        "findings",
        "object_sizes",
        "co_occurrence",
    ]
    assert content["schema_version"] == 1
    assert content["task"] == "image_object_detection"
    assert content["splits"]["validation"] == {
        "images": 8,
        "images_per_class": {"cat": 4, "dog": 4},
        "samples_per_class": {"cat": 4, "dog": 4},
    }
    findings = {f["code"]: f for f in content["findings"]}
    assert [f["severity"] for f in findings.values()] == ["error"] * 4 + ["warning"] * 3
    leak = findings["leakage"]
    assert list(leak) == ["code", "severity", "title", "advice", "count", "examples"]
    assert leak["count"] == 1
    (example,) = leak["examples"]
    assert example["where"] == f"{train}:25"
    assert [p["where"] for p in example["pictures"]] == [f"{train}:25", f"{validation}:1"]
    assert content["object_sizes"]["side_pixels"]["p50"] == pytest.approx(52, abs=0.1)


class Page(HTMLParser):
    """Counts elements, and the classes of sections."""

    def __init__(self):
        super().__init__()
        self.tags, self.sections = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "section":
            self.sections.append(dict(attrs)["class"])


def test_the_page_needs_nothing_but_itself_and_shows_findings_worst_first(tmp_path):
    train, validation = damaged(tmp_path).write()
    check(train, "--validation", validation, "--page", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", text.split("base64")[0])
    assert set(re.findall(r'(?:src|href)="(.{22})', text)) == {"data:image/jpeg;base64"}
    page = Page()
    page.feed(text)
    assert page.sections == ["error"] * 4 + ["warning"] * 3
    assert page.tags.count("img") >= 4
    assert "prefers-color-scheme: dark" in text


def test_text_from_the_data_is_no_html(tmp_path):
    tables = Tables(tmp_path)
    tables.train[0]["label"] = "<b>&"
    train, _ = tables.write()
    check(train, "--page", tmp_path / "page.html")
    assert "<b>&" not in (tmp_path / "page.html").read_text()


def test_a_job_brings_its_task_tables_key_and_model(tmp_path):
    tables = Tables(tmp_path, "detection")
    for row in (*tables.train, *tables.validation):
        row["objects"] = row.pop("label")
    tables.write()
    job = {
        "task": "image_object_detection",
        "target_column_name": "objects",
        "training_data": {"path": "train.jsonl"},
        "validation_data": {"path": "validation.jsonl"},
        "training_parameters": {"model_name": "retinanet_resnet50_fpn", "min_size": 320},
    }
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job))
    result = check(tmp_path / "job.yml", "--json", tmp_path / "d.json")
    assert result.exit_code == 0, result.output
    sizes = json.loads((tmp_path / "d.json").read_text())["object_sizes"]
    assert (sizes["model_name"], sizes["min_size"]) == ("retinanet_resnet50_fpn", 320)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.jsonl"], r"gone\.jsonl does not exist"),
        (["gone.yml"], r"gone\.yml"),
        (["."], "holds no file named MLTable"),
        (["train.jsonl", "--task", "image_clasification"], "did you mean 'image_classification'"),
        (["train.jsonl", "--task", "image_object_detection"], "train.jsonl:1: labels of a class"),
        (["train.jsonl", "--label-key", "lable"], "no line has a label under 'lable'"),
        (["train.jsonl", "--datastore", "x"], "must be NAME=FOLDER, got 'x'"),
        (["train.jsonl", "--fix", "train.jsonl"], "would overwrite"),
        (["train.jsonl", "--page", "train.jsonl/p.html"], "cannot write"),
        (["train.jsonl", "--model", "resnet5"], "did you mean 'resnet"),
        (["job.yml", "--task", "image_classification"], "--task: the job file job.yml says so"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, arguments, message):
    Tables(tmp_path).write()
    monkeypatch.chdir(tmp_path)
    result = check(*arguments)
    assert isinstance(result.exception, SightlineError)  # which main() prints; exit code 2
    assert re.search(message, str(result.exception))
    assert "\n" not in str(result.exception)
