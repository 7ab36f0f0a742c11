"""What a job's trials start from: weights of an earlier run, and a seed."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from training.runs import find_run


def with_starting_weights(parameters: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Replace `checkpoint_run_id` (a run, a trial's folder or a checkpoint) by its weights.

    Raises UsageError when what the trials are to start from does not exist.
    """
    source = parameters.get("checkpoint_run_id")
    if source is None:
        weights = parameters.get("weights")
        if weights is not None and not Path(weights).exists():
            raise UsageError(f"training_parameters: weights {weights} do not exist")
        return dict(parameters)
    path = Path(str(source))
    if not path.exists():
        path = find_run(root, str(source)).path / "best"
    checkpoint = path / "checkpoints" / "best.ckpt" if path.is_dir() else path
    if not checkpoint.is_file():
        raise UsageError(f"checkpoint_run_id {source!r}: there is no checkpoint {checkpoint}")
    return {**parameters, "weights": str(checkpoint.absolute())}


def seed_of(parameters: Mapping[str, Any]) -> int:
    """The seed that a job gives, or a new one."""
    given = parameters.get("random_seed")
    return secrets.randbelow(2**31) if given is None else int(given)
