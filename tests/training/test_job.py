from pathlib import Path

import pytest

from inference.errors import UsageError
from inference.types import Task
from training.data.load import load_datasets
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
        (BASE + "primary_metric: iou\n", "accuracy"),
        ("task: image_classification\n", "training_data is missing"),
        ("task: [\n", r"job\.yml:\d+: not valid YAML"),
        ("- 1\n", "must hold a mapping"),
        ("", "got nothing"),
        (BASE + "task: image_classification\n", "there twice"),
        (BASE.replace("image_classification", "image_clasification"), "did you mean 'image_class"),
        (BASE + "type: command\n", "unknown job type 'command'"),
        (BASE + "primary_metric: acuracy\n", r"unknown primary_metric 'acuracy'; did you mean"),
        (BASE + "limits: {max_trials: 1001}\n", r"limits\.max_trials: .*1000, got 1001"),
        (BASE + "limits: {max_trials: two}\n", r"limits\.max_trials: .*integer.*got 'two'"),
        (BASE + "limits: {max_concurrent_trials: 101}\n", r"limits\.max_concurrent_trials"),
        (BASE + "limits: {timeout_minutes: 90000}\n", r"limits\.timeout_minutes: .*86400"),
        (BASE + "limits: 3\n", "limits: .*got 3"),
        (BASE + "validation_data_size: 1\n", "validation_data_size: .*less than 1, got 1"),
        (BASE + "training_parameters: {lerning_rate: 1}\n", "did you mean 'learning_rate'"),
        (BASE + "training_parameters: {min_size: 1}\n", "hyperparameter of image_object_detection"),
        (BASE + "validation_data: {pth: a}\n", "unknown key in validation_data 'pth'"),
        (BASE + "validation_data: {path: a, type: csv}\n", r"validation_data\.type: "),
        (BASE.replace("table.jsonl", "azureml:data:1"), "is a data asset of an Azure workspace"),
        (BASE.replace("table.jsonl", "https://host/t.jsonl"), r"training_data\.path: .*is remote"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as raised:
        job(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "job.yml"))
    assert "\n" not in str(raised.value).removesuffix("\n")


def test_every_key_has_its_place(tmp_path):
    read = job(
        tmp_path,
        BASE
        + """
type: AutoML
$schema: https://host/schema.json
name: 2024-05-01
display_name: d
description: e
experiment_name: f
tags: {version: 3}
log_verbosity:
outputs: {}
target_column_name: kind
validation_data: valid.jsonl
limits: {max_trials: 1, max_concurrent_trials: 4, timeout_minutes: "60"}
training_parameters:
  lr_scheduler: step
  weights: w/model.safetensors
  advanced_settings: '{"apply_automl_train_augmentations": false}'
datastores: {store: files, other: /abs}
""",
    )
    assert (read.name, read.display_name, read.description) == ("2024-05-01", "d", "e")
    assert (read.experiment_name, read.tags, read.target_column_name) == (
        "f",
        {"version": "3"},
        "kind",
    )
    assert read.validation_data == tmp_path / "valid.jsonl"
    assert (read.limits.concurrent_trials, read.limits.timeout_minutes) == (1, 60)
    assert read.parameters == {
        "learning_rate_scheduler": "step",
        "weights": str(tmp_path / "w/model.safetensors"),
        "apply_automl_train_augmentations": False,
    }
    assert read.datastores == {"store": str(tmp_path / "files"), "other": "/abs"}
    assert read.ignored == ()


@pytest.mark.parametrize(
    ("written", "read_as"),
    [("AUC_weighted", "AUC_weighted"), ("auc_weighted", "AUC_weighted"), ("Accuracy", "accuracy")],
)
def test_metrics_come_out_under_one_name(tmp_path, written, read_as):
    assert job(tmp_path, BASE + f"primary_metric: {written}\n").primary_metric == read_as


def test_a_table_in_a_datastore_is_found_through_the_mapping(tmp_path):
    text = BASE.replace("table.jsonl", "azureml://datastores/store/paths/data")
    read = job(tmp_path, text, overrides=[f"datastores.store={tmp_path}"])
    assert read.training_data == tmp_path / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the examples beside the checkout are missing")
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_jobs_of_azures_sdk_run_as_one_trial_on_real_photos(task):
    job = read_job(
        SHARED / "examples" / "jobs" / f"{task}-sweep.yml",
        overrides=["sweep=null", "search_space=null", "limits.max_trials=1", "model_name=resnet18"],
    )
    assert job.parameters["early_stopping"] is True
    assert job.ignored == ("compute", "log_verbosity")
    data = load_datasets(job, seed=0)
    assert data.labels == ("can", "carton", "milk_bottle", "water_bottle")
    assert data.train.dropped == data.validation.dropped == ()
    counts = {"multiclass": (80, 29), "multilabel": (77, 26)}
    assert (len(data.train.records), len(data.validation.records)) == counts[task]
