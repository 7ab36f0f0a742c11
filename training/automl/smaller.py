"""A batch that needs less memory and learns the same."""

from collections.abc import Mapping
from typing import Any


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
