"""The controller with real processes that only sleep."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.training.automl.fake_sweep import best, controller
from training.automl.policies import Bandit, When
from training.runs import Run

ROOT = Path(__file__).parents[3]


def start(folder, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.automl.fake_sweep", folder, json.dumps(options)],
        cwd=ROOT,
    )


def trials_of(folder):
    """Processes that work in a run's trials."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "tests.training.automl.fake_trial" in line and any(str(folder) in part for part in line):
            found.append(process)
    return found


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def outcomes(folder):
    rows = json.loads((folder / "leaderboard.json").read_text())
    return Counter(row["state"] for row in rows)


def completions(folder):
    """How often each trial has come to its end."""
    return [
        len(path.read_text().splitlines())
        for path in sorted(folder.glob("trials/*/completions.txt"))
    ]


def test_every_trial_runs_once_and_the_best_is_linked(tmp_path):
    sweep = controller(tmp_path, trials=6, slots=3)
    assert sweep.run()
    assert outcomes(tmp_path) == {"completed": 6}
    assert completions(tmp_path) == [1] * 6
    name, value = best(tmp_path)
    assert (tmp_path / "best").resolve().name == name
    assert value == max(record.value for record in sweep.records)
    assert [event["event"] for event in Run(tmp_path).events()][-1] == "finished"


def test_what_is_drawn_does_not_depend_on_the_slots(tmp_path):
    drawn = []
    for slots in (1, 4):
        sweep = controller(tmp_path / str(slots), trials=5, slots=slots)
        sweep.run()
        drawn.append([record.point for record in sweep.records])
    assert drawn[0] == drawn[1]


def test_a_finished_sweep_is_left_alone(tmp_path):
    controller(tmp_path, trials=2).run()
    controller(tmp_path, trials=2).run()
    assert completions(tmp_path) == [1, 1]


def test_a_failing_trial_does_not_end_the_sweep(tmp_path):
    space = [{"behaviour": "fails", "quality": 1}, {"quality": 0.5}]
    sweep = controller(tmp_path, trials=2, space=space)
    assert sweep.run()
    assert outcomes(tmp_path) == {"completed": 1, "failed": 1}
    (failed,) = [record for record in sweep.records if record.outcome == "failed"]
    assert failed.reason == "UsageError: nothing to learn"


def test_out_of_memory_halves_the_batch_and_doubles_the_accumulation(tmp_path):
    space = [{"behaviour": "needs_batch", "quality": 1}]
    sweep = controller(tmp_path, trials=1, space=space)
    assert sweep.run()
    (record,) = sweep.records
    assert record.outcome == "completed"
    assert record.parameters["training_batch_size"] == 4  # from 16
    assert record.parameters["gradient_accumulation_step"] == 4
    smaller = [event for event in Run(tmp_path).events() if event["event"] == "smaller"]
    assert [event["training_batch_size"] for event in smaller] == [8, 4]


def test_a_trial_that_is_killed_again_and_again_fails(tmp_path):
    space = [{"behaviour": "kills_itself", "quality": 1}]
    sweep = controller(tmp_path, trials=1, space=space)
    assert sweep.run()
    (record,) = sweep.records
    assert (record.outcome, record.restarts) == ("failed", 3)
    assert "signal 9" in record.reason


def test_a_policy_stops_the_bad_ones(tmp_path):
    space = [{"quality": {"type": "choice", "values": [0.1, 0.9]}}]
    policy = Bandit(When(delay_evaluation=2), slack_factor=0.2)
    sweep = controller(
        tmp_path, trials=2, slots=2, space=space, policy=policy, epochs=40, sleep=0.05
    )
    assert sweep.run()
    assert outcomes(tmp_path) == {"completed": 1, "terminated": 1}
    (stopped,) = [record for record in sweep.records if record.outcome == "terminated"]
    assert stopped.point.values == {"quality": 0.1}
    assert "is below" in stopped.reason


def test_the_time_limit_starts_nothing_more(tmp_path):
    sweep = controller(tmp_path, trials=100, seconds=1.0, epochs=4, sleep=0.05)
    assert sweep.run()
    assert 0 < len(sweep.records) < 20
    again = controller(tmp_path, trials=100, seconds=1.0)
    assert again.run()
    assert len(again.records) == len(sweep.records)


def test_an_exhausted_space_ends_the_sweep(tmp_path):
    space = [{"quality": {"type": "choice", "values": [0.1, 0.2, 0.3]}}]
    sweep = controller(tmp_path, trials=50, slots=2, space=space)
    assert sweep.run()
    assert sorted(r.point.values["quality"] for r in sweep.records) == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_no_child_and_everything_to_resume(tmp_path, number):
    process = start(tmp_path, trials=2, slots=2, epochs=60, sleep=0.05)
    wait_until(lambda: len(list(tmp_path.glob("trials/*/metrics.jsonl"))) == 2)
    process.send_signal(number)
    assert process.wait(timeout=20) == 130
    assert trials_of(tmp_path) == []
    states = [trial.status()["state"] for trial in Run(tmp_path).trials()]
    assert states == ["stopped", "stopped"]
    sweep = controller(tmp_path, trials=2, slots=2, epochs=60)
    assert sweep.run()
    assert completions(tmp_path) == [1, 1]
    assert [len(record.reports) for record in sweep.records] == [60, 60]


def test_trials_end_when_their_controller_is_killed(tmp_path):
    process = start(tmp_path, trials=2, slots=2, epochs=1000, sleep=0.05)
    wait_until(lambda: len(list(tmp_path.glob("trials/*/metrics.jsonl"))) == 2)
    process.kill()
    process.wait()
    wait_until(lambda: trials_of(tmp_path) == [])


def kill_at_random(folder, chance, *, kills, options):
    """Run a sweep to its end through `kills` SIGKILLs of its controller or one of its trials."""
    process = start(folder, **options)
    for _ in range(kills):
        time.sleep(chance.uniform(0.3, 1.2))
        children = trials_of(folder)
        if children and chance.random() < 0.5:
            os.kill(chance.choice(children).pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
            process.wait()
            process = start(folder, **options)
    assert process.wait(timeout=120) == 0


def check_killed(tmp_path, *, kills, trials, epochs):
    options = {"trials": trials, "slots": 4, "seed": 7, "epochs": epochs, "sleep": 0.05}
    kill_at_random(tmp_path / "killed", random.Random(1), kills=kills, options=options)
    controller(tmp_path / "whole", **{**options, "sleep": 0.0}).run()
    assert outcomes(tmp_path / "killed") == {"completed": trials}
    assert completions(tmp_path / "killed") == [1] * trials
    assert best(tmp_path / "killed") == best(tmp_path / "whole")
    ended = [e["trial"] for e in Run(tmp_path / "killed").events() if e["event"] == "ended"]
    assert len(ended) == len(set(ended))


def test_killed_controllers_and_trials_change_no_result(tmp_path):
    check_killed(tmp_path, kills=3, trials=12, epochs=8)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_result(tmp_path):
    check_killed(tmp_path, kills=20, trials=60, epochs=20)


def test_a_hundred_trials(tmp_path):
    sweep = controller(tmp_path, trials=100, slots=10, epochs=1)
    assert sweep.run()
    assert outcomes(tmp_path) == {"completed": 100}
    assert completions(tmp_path) == [1] * 100


@pytest.mark.slow
def test_a_thousand_trials_take_less_than_two_minutes(tmp_path):
    started = time.monotonic()
    before = time.process_time()
    sweep = controller(tmp_path, trials=1000, slots=10, epochs=1)
    assert sweep.run()
    assert completions(tmp_path) == [1] * 1000
    assert time.monotonic() - started < 120
    assert (time.process_time() - before) / 1000 < 0.05  # the controller's own work per trial
