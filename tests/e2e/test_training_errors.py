"""A mistake in the input is one line that says what, where and what to do; exit code 2."""

import json
import re

import pytest

from inference.errors import UsageError
from tests.e2e.commands import run
from tests.e2e.jobs import write_job
from training.jobs import prepare
from training.runs import find_run


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training_data.path=nowhere"], "nowhere"),
        (["learning_rte=0.1"], "did you mean 'learning_rate'"),
        (["learning_rate=-1"], "learning_rate: .*greater than 0"),
        (["model_name=resnet19"], "did you mean 'resnet18'"),
        (["limits.max_trials=0"], "max_trials: .*greater than or equal to 1"),
        (["limits.max_trials=1001"], "max_trials: .*1000, got 1001"),
        (["sweep.sampling_algorithm=grid"], "sweep needs a search_space"),
        (["name=a/b"], "name must consist of letters"),
        (["weights=/nowhere.pt"], "/nowhere.pt"),
    ],
)
def test_mistakes_in_a_job(data, tmp_path, overrides, message):
    job = write_job(tmp_path / "job.yml", data)
    with pytest.raises(UsageError, match=message):
        prepare(job, overrides=overrides, root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_missing_job_file(tmp_path):
    assert_one_line(run("-m", "training", "run", tmp_path / "no.yml"), "no.yml")


def test_too_few_images(data, tmp_path):
    table = next((data / "training-mltable-folder").glob("*.jsonl"))
    rows = [json.loads(line) for line in table.read_text().splitlines()[:6]]
    for row in rows:
        row["image_url"] = str((table.parent / row["image_url"]).resolve())
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = write_job(tmp_path / "job.yml", data)
    with pytest.raises(UsageError, match="6 images to train on, at least 10"):
        prepare(job, overrides=[f"training_data.path={few}"], root=tmp_path / "runs")


def test_an_unknown_run_names_the_known_ones(runs):
    with pytest.raises(UsageError, match="small/whole"):
        find_run(runs, "hole")


def test_a_run_that_exists_is_not_overwritten(data, runs, tmp_path):
    job = write_job(tmp_path / "job.yml", data)
    with pytest.raises(UsageError, match=r"exists already; .*resume small/whole"):
        prepare(job, overrides=["name=whole"], root=runs)


def test_a_folder_that_cannot_be_written(data, tmp_path):
    job = write_job(tmp_path / "job.yml", data)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot write .*choose --runs DIR"):
        prepare(job, overrides=[], root=tmp_path / "file")


def assert_one_line(failed, message):
    """Exit code 2, and an error of one line on standard error."""
    assert failed.returncode == 2, failed.stderr
    lines = [line for line in failed.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, failed.stderr
    assert re.search(message, lines[0]), lines[0]
