from pathlib import Path

import pytest

from inference.errors import UsageError
from inference.types import Task
from training.job import read_job

SHARED = Path(__file__).parents[3] / "shared"
BASE = "task: image_classification\ntraining_data: {path: table.jsonl}\n"


def job(tmp_path, text=BASE, overrides=()):
    (tmp_path / "table.jsonl").write_text("")
    (tmp_path / "job.yml").write_text(text)
    return read_job(tmp_path / "job.yml", overrides=overrides)


def test_the_shortest_job_has_azures_defaults(tmp_path):
    read = job(tmp_path)
    assert read.task is Task.CLASSIFICATION
    assert read.primary_metric == "accuracy"
    assert read.validation_data_size == 0.2
    assert (read.limits.max_trials, read.limits.timeout_minutes) == (1, 10080)
    assert read.training_data == tmp_path / "table.jsonl"


@pytest.mark.parametrize(
    "text",
    [
        BASE.replace("image_classification", "ImageClassification"),
        BASE + "primary_metric: AUCWeighted\n",
        BASE + "compute: azureml:gpu\nresources: {instance_type: x}\n",
        BASE.replace("table.jsonl", "azureml:./table.jsonl"),
    ],
)
def test_spellings_of_azures_sdk_are_understood(tmp_path, text):
    assert job(tmp_path, text).training_data.name == "table.jsonl"


def test_azure_only_keys_are_collected(tmp_path):
    assert job(tmp_path, BASE + "compute: azureml:gpu\n").ignored == ("compute",)


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("number_of_epochs=3", "number_of_epochs", 3),
        ("valid_crop_size=96", "validation_crop_size", 96),  # the other vocabulary
        ("training_parameters.learning_rate=0.5", "learning_rate", 0.5),
    ],
)
def test_overrides_reach_the_hyperparameters(tmp_path, override, name, value):
    assert job(tmp_path, overrides=[override]).parameters[name] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE + "limts: {}\n", "did you mean 'limits'"),
        (BASE + "limits: {max_trails: 2}\n", "did you mean 'max_trials'"),
        (BASE + "limits: {max_trials: 0}\n", r"limits\.max_trials"),
        (BASE + "limits: {max_trials: 5}\n", "not yet"),
        (BASE + "search_space: [{model_name: resnet18}]\n", "not yet"),
        (BASE + "primary_metric: iou\n", "accuracy"),
        (BASE.replace("image_classification", "image_object_detection"), "not yet"),
        ("task: image_classification\n", "training_data is missing"),
        ("task: [\n", r"job\.yml:\d+: not valid YAML"),
        ("- 1\n", "must hold a mapping"),
        ("", "got nothing"),
        (BASE + "task: image_classification\n", "there twice"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        job(tmp_path, text)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the examples beside the checkout are missing")
@pytest.mark.parametrize("kind", ["sweep", "automode"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "detection", "segmentation"])
def test_sweeps_written_by_azures_sdk_are_read_up_to_what_is_not_yet_supported(task, kind):
    with pytest.raises(UsageError, match="not yet"):
        read_job(SHARED / "examples" / "jobs" / f"{task}-{kind}.yml")
