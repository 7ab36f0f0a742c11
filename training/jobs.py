"""A job from its file to its run folder: prepared and checked first, then its trials started."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from inference.files import read_json, write_text_atomically
from training.automl.alone import run_alone
from training.automl.launcher import QUIET, TRIAL, Launcher
from training.automl.leaderboard import point_best_at
from training.automl.resolved import is_sweep, trial_facts
from training.automl.smaller import make_smaller, told
from training.automl.sweep import run_sweep, sweep_section
from training.automl.verdicts import RESTARTS, judge, kernel_kills
from training.data.check_images import Progress
from training.data.load import DataSplit, load_datasets
from training.data.split_files import write_split
from training.environment import environment
from training.hyperparameters import resolve
from training.job import Job, read_job
from training.job_schema import Properties
from training.runs import Run, Trial, new_run, write_json
from training.show import CONSOLE
from training.starting_point import seed_of, starting_parameters
from training.tracking import require_mlflow


def prepare(
    path: Path, *, overrides: Sequence[str], root: Path, progress: Progress | None = None
) -> tuple[Run, Job, DataSplit]:
    """Read job and data, and make the run folder: with its one trial, or ready for a sweep.

    `progress` is told how many images are checked, and of how many.

    Raises UsageError for every mistake that can be seen before training; nothing is left behind.
    """
    require_mlflow()
    job = read_job(path, overrides=overrides)
    given = starting_parameters(job, root)
    if job.mode != "sweep":  # a sweep's parameters are whole only together with a sub-space
        resolve(given, task=job.task)
    seed = seed_of(given)
    data = load_datasets(job, seed=seed, progress=progress)
    name = job.name or _new_name(job)
    with new_run(root, experiment=job.experiment_name, name=name) as run:
        shutil.copyfile(path, run.path / "job.yaml")
        _write_inputs(run, data)
        write_text_atomically(
            run.path / "job.resolved.yaml",
            yaml.safe_dump(_resolved(job, given, data, seed), sort_keys=False, allow_unicode=True),
        )
        if job.mode == "single":
            parameters = resolve(given, task=job.task).model_dump(mode="json")
            run.new_trial({**trial_facts(run), "parameters": parameters})
        run.log_event("created")
    return Run(root / job.experiment_name / name), job, data


def run_trials(run: Run, launcher: Launcher | None = None) -> int:
    """Run what is not completed yet; return the exit code of the trial that ended badly, or 0.

    The run must be locked. Without a launcher trials are processes of this machine.
    """
    if is_sweep(run):
        return run_sweep(run, launcher=launcher)
    (trial,) = run.trials()
    if trial.status()["state"] != "completed":
        code = _run_trial(run, trial, launcher)
        if code != 0:
            return code
    _write_leaderboard(run, trial)
    return 0


def _write_leaderboard(run: Run, trial: Trial) -> None:
    """The leaderboard of one trial, and the link to it."""
    metric = read_json(trial.path / "params.json")["primary_metric"]
    value = trial.status()["metrics"][metric]
    rows = [{"trial": trial.path.name, "state": "completed", "metric": metric, "value": value}]
    write_json(run.path / "leaderboard.json", rows)
    point_best_at(run, trial.path.name)


def _run_trial(run: Run, trial: Trial, launcher: Launcher | None) -> int:
    """Run the one trial, again with half the batch where memory was short; its exit code."""
    while True:
        kills = kernel_kills()
        run.log_event("started", trial=trial.path.name)
        code = _run_in_subprocess(trial) if launcher is None else run_alone(trial, launcher)
        if not _made_smaller(run, trial, code, kernel_killed=kernel_kills() > kills):
            break
    if code < 0:
        trial.write_status("killed", signal=-code)
        code = 128 - code
    state = trial.status()["state"]
    ending = {"outcome": state} if state in ("completed", "failed") else {}  # others go on
    run.log_event("ended", trial=trial.path.name, exit_code=code, **ending)
    return code


def _made_smaller(run: Run, trial: Trial, code: int, *, kernel_killed: bool) -> bool:
    stated = read_json(trial.path / "params.json")
    verdict = judge(
        trial.status(),
        code,
        asked="",
        restarts=RESTARTS,
        kernel_killed=kernel_killed,
        batch_size=stated["parameters"]["training_batch_size"],
        last_words="",
    )
    if verdict.next != "smaller":
        return False
    images = read_json(run.path / "data.json")["train"]["images"]
    stated = make_smaller(run, trial, stated, images=images, reason=verdict.reason)
    CONSOLE.print(told(trial, stated), markup=False)
    return True


def _run_in_subprocess(trial: Trial) -> int:
    """A trial has its own process: its memory, threads and crashes stay its own."""
    # Idle OpenMP threads would spin on the cores of data workers: eight times slower when shared.
    environ = {"OMP_WAIT_POLICY": "PASSIVE", **QUIET, **os.environ}
    with subprocess.Popen([*TRIAL, str(trial.path)], env=environ) as process:
        return _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait through Ctrl-C, which the terminal sends to the trial as well; pass SIGTERM on."""
    previous = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, previous)


def _write_inputs(run: Run, data: DataSplit) -> None:
    """Data read, checked and split, once for all trials."""
    write_json(run.path / "env.json", environment())
    write_json(run.path / "data.json", data.report())
    write_split(run.path / "train.jsonl", data.train.records)
    write_split(run.path / "validation.jsonl", data.validation.records)


def _resolved(job: Job, given: Mapping[str, Any], data: DataSplit, seed: int) -> dict[str, Any]:
    """What job.resolved.yaml says: all that a run is resumed from."""
    sweep = {} if job.mode == "single" else sweep_section(job, given, data)
    return {**job_facts(job, given), "seed": seed, **sweep}


def job_facts(job: Job, given: Mapping[str, Any]) -> dict[str, Any]:
    """A job as it is understood; `given` are its training_parameters with starting weights.

    Those of one trial come with every default; a sweep's and AutoMode's only as they are given.
    """
    is_single = job.mode == "single"
    parameters = resolve(given, task=job.task).model_dump(mode="json") if is_single else given
    about = {"display_name": job.display_name, "description": job.description, "tags": job.tags}
    return {
        "mode": job.mode,
        "task": job.task.value,
        "experiment_name": job.experiment_name,
        "primary_metric": job.primary_metric,
        "training_data": str(job.training_data),
        "validation_data": str(job.validation_data) if job.validation_data else None,
        "limits": job.limits.model_dump(),
        "properties": job.properties.model_dump(include=set(Properties.model_fields)),
        "training_parameters": dict(parameters),
        **{name: value for name, value in about.items() if value},
    }


def _new_name(job: Job) -> str:
    return f"{job.task.value.removeprefix('image_')}-{datetime.now():%Y%m%d-%H%M%S}"
