"""Sweeps as job files say them."""

from pathlib import Path

import pytest

from inference.errors import UsageError
from inference.types import Task
from training.automl.estimate import estimated_seconds
from training.automl.policies import Bandit, MedianStopping, TruncationSelection, When
from training.automl.spaces import parse_space
from training.automl.sweep_schema import parse_policy, parse_sweep
from training.job import read_job
from training.validate import validate

SHARED = Path(__file__).parents[4] / "shared"
HEAD = "task: image_classification\ntraining_data: {path: table.jsonl}\nlimits: {max_trials: 5}\n"
SPACE = HEAD + "search_space:\n  - model_name: resnet18\n    "
NUMBERS = "{type: uniform, min_value: 0.001, max_value: 0.01}"


def job(tmp_path, text, overrides=()):
    (tmp_path / "table.jsonl").write_text('{"image_url": "a.jpg", "label": "a"}\n' * 40)
    (tmp_path / "job.yml").write_text(text)
    return read_job(tmp_path / "job.yml", overrides=overrides)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the examples beside the checkout are missing")
@pytest.mark.parametrize("kind", ["sweep", "automode"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "detection", "segmentation"])
def test_jobs_written_by_azures_sdk_are_understood_unchanged(task, kind, tmp_path):
    path = SHARED / "examples" / "jobs" / f"{task}-{kind}.yml"
    read = read_job(path)
    assert read.mode == kind
    assert "trials: at most 10" in validate(path, overrides=[], root=tmp_path)[-1]
    if kind == "sweep":
        assert parse_sweep(read.sweep).policy == Bandit(When(2, 6), slack_factor=0.2)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (HEAD, "automode"),
        (HEAD.replace("5", "1"), "single"),
        (SPACE + f"learning_rate: {NUMBERS}\n", "sweep"),
        (HEAD.replace("5", "1") + "search_space: [{model_name: resnet18}]\n", "sweep"),
    ],
)
def test_modes(tmp_path, text, mode):
    assert job(tmp_path, text).mode == mode


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPACE + "lerning_rate: 1\n", r"search_space\[0\]\.lerning_rate: .*mean 'learning_rate'"),
        (SPACE + "min_size: 600\n", r"search_space\[0\]\.min_size: .*image_object_detection"),
        (SPACE + "learning_rate: {type: uniform, min_value: 2, max_value: 1}\n", "at most max"),
        (SPACE + "learning_rate: {type: unform}\n", r"\[0\]\.learning_rate: unknown type 'unform'"),
        (SPACE + f"number_of_epochs: {NUMBERS}\n", r"\[0\]\.number_of_epochs: .*integer"),
        (SPACE + "layers_to_freeze: 6\n", r"\[0\]\.layers_to_freeze: .*0…5 for resnet18"),
        (SPACE + "momentum: {type: choice, values: [0.9, 1]}\n", "momentum: .*less than 1, got 1"),
        (SPACE + "valid_crop_size: 1\n    validation_crop_size: 1\n", "both given; keep one"),
        (SPACE + "weights: a.pt\n", "cannot be searched; move it to training_parameters"),
        (HEAD + "search_space: [{model_name: resnet5}]\n", r"\[0\]\.model_name: .*'resnet50'"),
        (HEAD + "search_space: [{}]\n", r"search_space\[0\] is empty"),
        (HEAD + "search_space: {model_name: resnet18}\n", "search_space: .*list"),
        (HEAD + "sweep: {sampling_algorithm: random}\n", "sweep needs a search_space"),
        (
            SPACE + "training_crop_size: 300\n    validation_crop_size: 300\n",
            "at most validation_resize_size",
        ),
        (
            SPACE + "weight_decay: 0\ntraining_parameters: {learning_rate: -1}\n",
            "training_parameters: learning_rate: .*greater than 0",
        ),
        (
            SPACE + f"learning_rate: {NUMBERS}\nsweep: {{sampling_algorithm: grid}}\n",
            r"search_space\[0\]\.learning_rate: .*grid takes only choice",
        ),
        (SPACE + "nesterov: true\nsweep: {sampling_algorithm: gird}\n", "sweep.sampling_algorithm"),
        (SPACE + "nesterov: true\nsweep: {sampling: grid}\n", "sweep: unknown key 'sampling'"),
        (
            SPACE + "nesterov: true\nsweep: {sampling_algorithm: grid, rule: sobol}\n",
            "rule 'sobol' belongs to sampling_algorithm random",
        ),
        (
            SPACE + "nesterov: true\nsweep: {early_termination: {type: bandit}}\n",
            r"sweep\.early_termination: bandit needs a slack",
        ),
    ],
)
def test_mistakes_name_file_and_key_path(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as raised:
        job(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "job.yml"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({"type": "Bandit", "slack_amount": 0.1}, Bandit(When(), slack_amount=0.1)),
        (
            {"type": "bandit", "slack_factor": 0.2, "slack_amount": 0.0, "evaluation_interval": 0},
            Bandit(When(), slack_factor=0.2),
        ),
        ({"type": "MedianStopping", "delay_evaluation": 3}, MedianStopping(When(1, 3))),
        (
            {"type": "truncation_selection", "truncation_percentage": "20"},
            TruncationSelection(When(), 20),
        ),
        (
            {"type": "TRUNCATION_SELECTION", "truncation_percentage": 20,
             "exclude_finished_jobs": True},
            TruncationSelection(When(), 20, exclude_finished=True),
        ),
    ],
)  # fmt: skip
def test_policies_in_every_spelling(given, policy):
    assert parse_policy(given) == policy


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"slack_factor": 0.1}, "needs a type .allowed: bandit"),
        ({"type": "bandits"}, r"early_termination\.type: unknown type .* mean 'bandit'"),
        ({"type": "bandit", "slack_factor": 0.0, "slack_amount": 0.0}, "bandit needs a slack"),
        ({"type": "bandit", "slack_factor": 1, "slack_amount": 1}, "cannot both be given"),
        ({"type": "bandit", "slack_factor": -1}, r"early_termination\.slack_factor: .*got -1"),
        ({"type": "bandit", "slack": 1}, "unknown key of bandit 'slack'"),
        ({"type": "median_stopping", "slack_factor": 1}, "unknown key of median_stopping"),
        ({"type": "median_stopping", "delay_evaluation": -1}, "delay_evaluation: .*got -1"),
        ({"type": "truncation_selection"}, "truncation_percentage is missing"),
        (
            {"type": "truncation_selection", "truncation_percentage": 100},
            "less than or equal to 99",
        ),
        (
            {"type": "truncation_selection", "truncation_percentage": 0},
            "greater than or equal to 1",
        ),
    ],
)
def test_mistakes_in_policies(given, message):
    with pytest.raises(ValueError, match=message):
        parse_policy(given)


def test_validate_counts_combinations_and_says_what_it_cannot_know(tmp_path):
    job(tmp_path, SPACE + "layers_to_freeze: {type: choice, values: [0, 1, 2]}\n")
    lines = validate(tmp_path / "job.yml", overrides=[], root=tmp_path / "runs")
    assert "combinations in the space: 3" in lines
    assert "images to train on: at most 40" in lines
    assert lines[-1].startswith("trials: at most 3; time: cannot be known")
    assert "resnet18" in lines[-1]
    assert not (tmp_path / "runs").exists()


def test_an_estimate_counts_epochs_images_and_trials():
    space = parse_space(
        [
            {"model_name": "resnet18", "number_of_epochs": 10},
            {"model_name": "resnet50", "number_of_epochs": 20},
        ]
    )
    known = {"resnet18": 0.01, "resnet50": 0.02}
    options = {"task": Task.CLASSIFICATION, "trials": 4, "images": 100}
    seconds, unknown = estimated_seconds(space, {}, speeds=known, **options)
    assert (seconds, unknown) == (pytest.approx(4 * (10 + 40) / 2), [])
    assert estimated_seconds(space, {}, speeds={"resnet18": 1.0}, **options) == (None, ["resnet50"])
