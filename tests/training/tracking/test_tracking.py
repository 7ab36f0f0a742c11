"""Jobs in a real MLflow store: a SQLite file."""

import json
import sys
from pathlib import Path

import mlflow
import pytest
import yaml

from inference.errors import UsageError
from inference.types import Task
from tests.training.report.run_folders import LABELS, finish, write_run
from training.jobs import prepare
from training.runs import Run, write_json
from training.tracking import require_mlflow, tracked
from training.tracking.follower import BEST_TAG, Follower

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
VALUES = {"accuracy": 0.5, "train_loss": float("nan")}
EVALUATION = {"labels": list(LABELS), "per_label": {"dog": {"f1_score": 1.0}}, "metrics": VALUES}


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def client(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # artifacts of a SQLite store go to ./mlruns
    return mlflow.MlflowClient(uri)


@pytest.fixture
def sweep(tmp_path):
    run = Run(tmp_path / tmp_path.name / "sweep")
    run.path.mkdir(parents=True)
    resolved = {
        "mode": "sweep", "task": "image_classification", "primary_metric": "accuracy",
        "limits": {"max_trials": 3}, "tags": {"team": "blue"}, "description": "a note",
    }  # fmt: skip
    (run.path / "job.resolved.yaml").write_text(yaml.safe_dump(resolved))
    run.log_event("created")
    return run


def begin(run, number, **parameters):
    trial = run.new_trial({"parameters": {"model_name": "resnet18", **parameters}}, number=number)
    run.log_event("started", trial=trial.path.name)
    return trial


def report(trial, *accuracies, keep=99):
    """Append epochs after the first `keep` rows, as a resumed trial does."""
    old = trial.metrics.read_text().splitlines()[:keep] if trial.metrics.exists() else []
    new = [
        json.dumps({"epoch": len(old) + i, "step": 7, "accuracy": value, "seconds": 1.0})
        for i, value in enumerate(accuracies)
    ]
    trial.metrics.write_text("".join(f"{line}\n" for line in [*old, *new]))


def ids(run):
    return json.loads((run.path / "mlflow.json").read_text())["runs"]


def history(client, run_id, name="accuracy"):
    return [(one.step, one.value) for one in client.get_metric_history(run_id, name)]


def runs_of(client, run):
    (experiment,) = client.search_experiments(filter_string=f"name = '{run.path.parent.name}'")
    return client.search_runs([experiment.experiment_id])


def test_a_sweep_becomes_a_parent_and_a_child_per_trial(client, uri, sweep):
    follower = Follower(sweep, uri)
    first, second = begin(sweep, 0, learning_rate=0.1, weights=None), begin(sweep, 1)
    report(first, 0.25, 0.75)
    follower.synchronize()
    report(first, 0.5)
    report(second, 0.125)
    sweep.log_event("ended", trial="001", outcome="terminated", reason="at evaluation 1: slow")
    sweep.log_event("finished")
    follower.finish()

    parent, child, stopped = (client.get_run(ids(sweep)[name]) for name in ("job", "000", "001"))
    assert len(runs_of(client, sweep)) == 3
    assert parent.info.run_name == "sweep"
    assert parent.data.tags["team"] == "blue"
    assert parent.data.tags["mlflow.note.content"] == "a note"
    assert parent.data.params["max_trials"] == "3"
    assert child.info.run_name == "sweep/000"
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params == {"model_name": "resnet18", "learning_rate": "0.1"}
    assert history(client, child.info.run_id) == [(0, 0.25), (1, 0.75), (2, 0.5)]
    assert stopped.info.status == "KILLED"
    assert stopped.data.tags["reason"] == "at evaluation 1: slow"
    assert stopped.data.metrics["score"] == 0.125
    assert child.info.status == "KILLED"  # nobody works on it any more
    assert parent.info.status == "FAILED"  # no trial has completed


def test_a_resumed_sweep_goes_on_in_the_same_runs_and_logs_nothing_twice(client, uri, sweep):
    trial = begin(sweep, 0, training_batch_size=8)
    report(trial, 0.25, 0.5)
    Follower(sweep, uri).finish()
    before = ids(sweep)
    report(trial, 0.5, 0.75, keep=1)  # its last checkpoint was older than its last report
    stated = {"parameters": {"model_name": "resnet18", "training_batch_size": 4}}
    write_json(trial.path / "params.json", stated)
    follower = Follower(sweep, uri)
    follower.synchronize()
    assert client.get_run(before["000"]).info.status == "RUNNING"
    follower.synchronize()
    assert ids(sweep) == before
    assert history(client, before["000"]) == [(0, 0.25), (1, 0.5), (2, 0.75)]
    resumed = client.get_run(before["000"])
    assert resumed.data.params["training_batch_size"] == "8"
    assert resumed.data.tags["now.training_batch_size"] == "4"


def test_a_run_whose_id_was_not_noted_is_found_again(client, uri, sweep):
    report(begin(sweep, 0), 0.5)
    Follower(sweep, uri).synchronize()
    before = ids(sweep)
    ledger = json.loads((sweep.path / "mlflow.json").read_text())
    write_json(sweep.path / "mlflow.json", {**ledger, "runs": {}})
    Follower(sweep, uri).synchronize()
    assert ids(sweep) == before
    assert history(client, before["000"]) == [(0, 0.5)]


def test_a_failed_trial_that_is_started_again_is_open_again(client, uri, sweep):
    trial = begin(sweep, 0)
    sweep.log_event("ended", trial="000", outcome="failed")
    Follower(sweep, uri).synchronize()
    assert client.get_run(ids(sweep)["000"]).info.status == "FAILED"
    sweep.log_event("started", trial="000")
    report(trial, 0.5)
    Follower(sweep, uri).synchronize()
    child = client.get_run(ids(sweep)["000"])
    assert (child.info.status, child.data.metrics["accuracy"]) == ("RUNNING", 0.5)


@pytest.mark.filterwarnings("ignore")  # MLflow warns about its own reading of type hints
def test_a_completed_job_has_azures_artifacts_and_names_its_best_child(
    client, uri, tmp_path, monkeypatch
):
    run = write_run(tmp_path, Task.CLASSIFICATION)
    finish(run, Task.CLASSIFICATION, EVALUATION)
    model = run.path / "trials/000/model"
    (model / "model.onnx").write_bytes(b"a graph")
    (run.path / "report.html").write_text("a page")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for _ in range(2):  # again: a job that has completed may be resumed
        with tracked(run):
            pass
    parent, child = (client.get_run(ids(run)[name]) for name in ("job", "000"))
    assert client.get_experiment_by_name("ours").experiment_id == parent.info.experiment_id
    assert parent.data.tags[BEST_TAG] == child.info.run_id
    assert history(client, parent.info.run_id, "score") == [(0, 0.5)]
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
    assert [one.path for one in client.list_artifacts(parent.info.run_id)] == ["report.html"]

    mlflow.set_tracking_uri(uri)
    path = Path(
        mlflow.artifacts.download_artifacts(f"runs:/{child.info.run_id}/", dst_path=tmp_path)
    )
    found = {str(file.relative_to(path)) for file in path.rglob("*")}
    assert found >= {
        "train_artifacts/model.onnx", "train_artifacts/labels.json",
        "train_artifacts/per_label_metrics.json", "outputs/model.safetensors",
        "outputs/mlflow-model/MLmodel", "outputs/mlflow-model/python_env.yaml",
        "outputs/mlflow-model/requirements.txt",
        "outputs/mlflow-model/artifacts/model.safetensors",
        "outputs/mlflow-model/artifacts/settings.json",
    }  # fmt: skip
    image = (tmp_path / "images" / "1<i>.jpg").read_bytes()
    scored = mlflow.pyfunc.load_model(f"{path}/outputs/mlflow-model").predict({"image": [image]})
    assert scored["labels"].iloc[0] == list(LABELS)


def test_a_store_that_does_not_answer_is_one_warning(sweep, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    report(begin(sweep, 0), 0.5)
    with tracked(sweep):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: MLflow has failed (")
    assert line.endswith(f"python -m training resume {sweep.name}")


def test_a_missing_mlflow_is_said_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://store")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match="MLflow is not installed: pip install mlflow-skinny"):
        prepare(tmp_path / "job.yml", overrides=[], root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_without_the_variable_nothing_is_tracked(sweep, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert require_mlflow() is None
    with tracked(sweep):
        pass
    assert not (sweep.path / "mlflow.json").exists()
