"""A batch that needs less memory and learns the same."""

from collections.abc import Mapping
from typing import Any

from training.runs import Run, Trial, write_json


def smaller_batch(parameters: Mapping[str, Any], *, images: int) -> dict[str, int]:
    """Halve both batches and accumulate twice as many, so that a step sees the same images.

    A batch larger than the training data is first cut to their number.
    """
    batch = min(parameters["training_batch_size"], max(images, 2))
    return {
        "training_batch_size": max(1, batch // 2),
        "validation_batch_size": max(1, parameters["validation_batch_size"] // 2),
        "gradient_accumulation_step": parameters["gradient_accumulation_step"] * 2,
    }


def make_smaller(
    run: Run, trial: Trial, stated: Mapping[str, Any], *, images: int, reason: str
) -> dict[str, Any]:
    """Give a trial the smaller batch; return what its params.json states from now on."""
    smaller = smaller_batch(stated["parameters"], images=images)
    changed = {**stated, "parameters": {**stated["parameters"], **smaller}}
    write_json(trial.path / "params.json", changed)
    run.log_event("smaller", trial=trial.path.name, reason=reason, **smaller)
    return changed


def told(trial: Trial, stated: Mapping[str, Any]) -> str:
    """What a person reads of it."""
    batch = stated["parameters"]["training_batch_size"]
    return f"trial {trial.path.name} ran out of memory and goes on with batches of {batch}"
