"""What a job's trials start from: weights of an earlier run, and a seed."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from training.automl.checks import models_of
from training.automl.spaces import parse_space
from training.hyperparameters import DEFAULT_MODELS
from training.job import Job
from training.runs import find_run
from training.weights import origin_of


def starting_parameters(job: Job, root: Path) -> dict[str, Any]:
    """Replace `checkpoint_run_id` (a run, a trial's folder or a checkpoint) by its weights.

    Raises UsageError when what the trials are to start from does not exist, or belongs to another
    model than one that the job trains.
    """
    given = dict(job.parameters)
    key = "weights" if given.get("checkpoint_run_id") is None else "checkpoint_run_id"
    source = given.get(key)
    if source is None:
        return given
    weights = Path(source) if key == "weights" else _checkpoint(str(source), root)
    if not weights.exists():
        raise UsageError(f"training_parameters: {key} {source}: there is no {weights}")
    origin = origin_of(weights)
    for model in _models(job):
        if origin is not None and origin.model_name not in (None, model):
            raise UsageError(
                f"training_parameters: {key} {source} is a {origin.model_name}, but the job trains "
                f"{model}; set model_name to {origin.model_name}, or start from another model"
            )
    return {**given, "weights": str(weights.resolve())}  # also when `best` is another one later


def _checkpoint(source: str, root: Path) -> Path:
    for path in (Path(source), root / source):
        if path.is_file():
            return path
        if (path / "checkpoints").is_dir():
            return path / "checkpoints" / "best.ckpt"
    return find_run(root, source).path / "best" / "checkpoints" / "best.ckpt"


def _models(job: Job) -> list[str]:
    """All models that a job may train, as it names them."""
    default = "what AutoMode chooses" if job.mode == "automode" else DEFAULT_MODELS[job.task]
    names = [job.parameters.get("model_name")]
    if job.mode == "sweep":
        space = parse_space(job.search_space)
        names = [name for sub_space in space for name in models_of(sub_space, job.parameters)]
    return [default if name is None else str(name) for name in names]


def seed_of(parameters: Mapping[str, Any]) -> int:
    """The seed that a job gives, or a new one."""
    given = parameters.get("random_seed")
    return secrets.randbelow(2**31) if given is None else int(given)
