"""One job from its file to its run folder: prepared and checked first, then its trial started."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import yaml

from inference.errors import UsageError
from inference.files import read_json, write_text_atomically
from training.data.check_images import Progress
from training.data.load import DataSplit, load_datasets
from training.data.split_files import write_split
from training.environment import environment
from training.hyperparameters import Hyperparameters, resolve
from training.job import Job, read_job
from training.runs import Run, Trial, find_run, new_run, write_json


def prepare(
    path: Path, *, overrides: Sequence[str], root: Path, progress: Progress | None = None
) -> tuple[Run, Job, DataSplit]:
    """Read job and data, and make the run folder with its one trial.

    `progress` is told how many images are checked, and of how many.

    Raises UsageError for every mistake that can be seen before training; nothing is left behind.
    """
    job = read_job(path, overrides=overrides)
    parameters = _with_checkpoint(resolve(job.parameters, task=job.task), root)
    seed = parameters.random_seed
    if seed is None:
        seed = secrets.randbelow(2**31)
    data = load_datasets(job, seed=seed, progress=progress)
    name = job.name or _new_name(job)
    with new_run(root, experiment=job.experiment_name, name=name) as run:
        shutil.copyfile(path, run.path / "job.yaml")
        _write_inputs(run, job, parameters, data)
        run.new_trial(
            {
                "task": job.task.value,
                "primary_metric": job.primary_metric,
                "labels": list(data.labels),
                "seed": seed,
                "timeout_minutes": job.limits.timeout_minutes,
                "data_hash": data.report()["hash"],
                "parameters": parameters.model_dump(mode="json"),
            }
        )
        run.log_event("created")
    return Run(root / job.experiment_name / name), job, data


def run_trials(run: Run) -> int:
    """Run what is not completed yet; return the exit code of the trial that ended badly, or 0."""
    with run.locked():
        for trial in run.trials():
            if trial.status()["state"] != "completed":
                code = _run_in_subprocess(run, trial)
                if code != 0:
                    return code
        write_leaderboard(run)
    return 0


def write_leaderboard(run: Run) -> None:
    """Rank completed trials by the primary metric and point `best` at the first."""
    rows = []
    for trial in run.trials():
        status, stated = trial.status(), read_json(trial.path / "params.json")
        if status["state"] == "completed":
            metric = stated["primary_metric"]
            value = status["metrics"][metric]
            rows.append({"trial": trial.path.name, "metric": metric, "value": value})
    rows.sort(key=lambda row: -row["value"])
    write_json(run.path / "leaderboard.json", rows)
    if rows:
        _point_best_at(run, rows[0]["trial"])


def _with_checkpoint(parameters: Hyperparameters, root: Path) -> Hyperparameters:
    """Replace `checkpoint_run_id` (a run, a trial's folder or a checkpoint) by its weights.

    Raises UsageError when what the trial is to start from does not exist.
    """
    source = parameters.checkpoint_run_id
    if source is None:
        if parameters.weights is not None and not parameters.weights.exists():
            raise UsageError(f"training_parameters: weights {parameters.weights} do not exist")
        return parameters
    path = Path(source)
    if not path.exists():
        path = find_run(root, source).path / "best"
    checkpoint = path / "checkpoints" / "best.ckpt" if path.is_dir() else path
    if not checkpoint.is_file():
        raise UsageError(f"checkpoint_run_id {source!r}: there is no checkpoint {checkpoint}")
    return parameters.model_copy(update={"weights": checkpoint.absolute()})


def _run_in_subprocess(run: Run, trial: Trial) -> int:
    """A trial has its own process: its memory, threads and crashes stay its own."""
    run.log_event("started", trial=trial.path.name)
    command = [sys.executable, "-m", "training.trial", str(trial.path)]
    # Idle OpenMP threads would spin on the cores of data workers: eight times slower when shared.
    environ = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    with subprocess.Popen(command, env=environ) as process:
        code = _wait(process)
    if code < 0:
        trial.write_status("killed", signal=-code)
        code = 128 - code
    run.log_event("ended", trial=trial.path.name, exit_code=code)
    return code


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


def _write_inputs(run: Run, job: Job, parameters: Hyperparameters, data: DataSplit) -> None:
    resolved = {
        "task": job.task.value,
        "experiment_name": job.experiment_name,
        "primary_metric": job.primary_metric,
        "training_data": str(job.training_data),
        "validation_data": str(job.validation_data) if job.validation_data else None,
        "limits": job.limits.model_dump(),
        "training_parameters": parameters.model_dump(mode="json"),
    }
    write_text_atomically(
        run.path / "job.resolved.yaml",
        yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True),
    )
    write_json(run.path / "env.json", environment())
    write_json(run.path / "data.json", data.report())
    write_split(run.path / "train.jsonl", data.train.records)
    write_split(run.path / "validation.jsonl", data.validation.records)


def _point_best_at(run: Run, trial: str) -> None:
    temporary = run.path / ".best.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path("trials") / trial)
    temporary.replace(run.path / "best")


def _new_name(job: Job) -> str:
    return f"{job.task.value.removeprefix('image_')}-{datetime.now():%Y%m%d-%H%M%S}"
