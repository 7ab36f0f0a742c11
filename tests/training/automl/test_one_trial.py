"""The one trial of a job that is no sweep."""

import sys

from inference.files import read_json
from training.automl.launcher import SubprocessLauncher
from training.jobs import run_trials
from training.runs import Run, write_json

FAKE_TRIAL = (sys.executable, "-m", "tests.training.automl.fake_trial")


def test_without_memory_it_goes_on_with_half_the_batch(tmp_path, capsys):
    run = Run(tmp_path / "run")
    run.path.mkdir()
    (run.path / "job.resolved.yaml").write_text("task: image_classification\n")
    write_json(run.path / "data.json", {"train": {"images": 100}})
    parameters = {
        "behaviour": "needs_batch",
        "training_batch_size": 16,
        "validation_batch_size": 16,
        "gradient_accumulation_step": 1,
        **{"epochs": 1, "sleep": 0.01, "quality": 0.9},
    }
    facts = {"primary_metric": "accuracy", "timeout_minutes": 5}
    trial = run.new_trial({**facts, "parameters": parameters})
    assert run_trials(run, SubprocessLauncher(FAKE_TRIAL)) == 0
    then = read_json(trial.path / "params.json")["parameters"]
    assert (then["training_batch_size"], then["gradient_accumulation_step"]) == (4, 4)
    names = [event["event"] for event in run.events()]
    assert names == ["started", "smaller", "started", "smaller", "started", "ended"]
    assert "trial 000 ran out of memory and goes on with batches of 8" in capsys.readouterr().out
