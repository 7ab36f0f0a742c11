"""`checkpoint_run_id`: what it may name, and what is refused."""

import json
from pathlib import Path

import pytest
from torch import nn

from inference.errors import UsageError
from tests.model_folders import write_model_folder
from training.automl.leaderboard import point_best_at
from training.job import read_job
from training.runs import Run
from training.starting_point import starting_parameters
from training.weights import origin_of

HEAD = "task: image_classification\ntraining_data: {path: table.jsonl}\n"
RESNET = "training_parameters: {model_name: resnet18, checkpoint_run_id: 'SOURCE'}\n"


@pytest.fixture
def root(tmp_path, trial_of):
    """A runs folder: small/old has two trials of resnet18, the second one is its best."""
    run = Run(tmp_path / "runs" / "small" / "old")
    run.path.mkdir(parents=True)
    (run.path / "job.yaml").touch()
    for number in range(2):
        trial_of(nn.Linear(1, 2), "resnet18", ["a", "b"], run.path / "trials" / f"00{number}")
    point_best_at(run, "001")
    return tmp_path / "runs"


def job(tmp_path, text):
    (tmp_path / "job.yml").write_text(HEAD + text)
    return read_job(tmp_path / "job.yml")


@pytest.mark.parametrize(
    ("source", "trial"),
    [
        ("small/old", "001"),
        ("old", "001"),
        ("ROOT/small/old", "001"),
        ("small/old/trials/000", "000"),
        ("ROOT/small/old/trials/000", "000"),
        ("ROOT/small/old/best", "001"),
        ("ROOT/small/old/trials/000/checkpoints/best.ckpt", "000"),
    ],
)
def test_a_run_a_trial_and_a_checkpoint_are_understood(tmp_path, root, source, trial):
    text = RESNET.replace("SOURCE", source.replace("ROOT", str(root)))
    weights = Path(starting_parameters(job(tmp_path, text), root)["weights"])
    assert weights == (root / "small/old/trials" / trial / "checkpoints/best.ckpt").resolve()
    assert origin_of(weights).labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            RESNET.replace("resnet18", "resnet50"),
            "checkpoint_run_id old is a resnet18, but the job trains resnet50; set model_name",
        ),
        (RESNET.replace("model_name: resnet18, ", ""), "a resnet18, but the job trains vitb16r224"),
        (
            RESNET.replace("model_name: resnet18, ", "") + "limits: {max_trials: 3}\n",
            "a resnet18, but the job trains what AutoMode chooses; set model_name to resnet18",
        ),
        (
            RESNET.replace("model_name: resnet18, ", "")
            + "search_space: [{model_name: resnet18},\n"
            "  {model_name: {type: choice, values: [resnet18, seresnext]}}]\n",
            "a resnet18, but the job trains seresnext",
        ),
    ],
)
def test_another_model_is_refused_and_both_are_named(tmp_path, root, text, message):
    with pytest.raises(UsageError, match=message):
        starting_parameters(job(tmp_path, text.replace("SOURCE", "old")), root)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("young", "unknown run 'young'.*allowed: small/old"),
        ("ROOT/small/old/trials/000/checkpoints/last.ckpt", "unknown run"),
    ],
)
def test_what_does_not_exist_is_said(tmp_path, root, source, message):
    text = RESNET.replace("SOURCE", source.replace("ROOT", str(root)))
    with pytest.raises(UsageError, match=message):
        starting_parameters(job(tmp_path, text), root)


def test_a_run_without_a_checkpoint_is_said(tmp_path, root):
    (root / "small/old/trials/001/checkpoints/best.ckpt").unlink()
    with pytest.raises(UsageError, match=r"checkpoint_run_id old: there is no .*best\.ckpt"):
        starting_parameters(job(tmp_path, RESNET.replace("SOURCE", "old")), root)


def test_weights_of_a_model_folder_tell_their_labels(tmp_path):
    write_model_folder(tmp_path / "model", labels=("x", "y"))
    assert origin_of(tmp_path / "model").labels == ("x", "y")
    assert origin_of(tmp_path / "model/model.safetensors") is None
    facts = json.loads((tmp_path / "model/model.json").read_text())
    (tmp_path / "model/model.json").write_text(json.dumps({**facts, "family": "timm"}))
    assert origin_of(tmp_path / "model").model_name is None  # a library, which has many models
