"""Predictions of the best model for validation images, by the server's own Predictor."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.errors import InputError
from inference.model_folder import ModelFolder, open_model_folder
from inference.pipeline import Result
from inference.predictor import Predictor
from inference.settings import Settings
from training.data.records import Record

MOST_IMAGES = 500
MOST_SECONDS = 60.0  # a report must not take as long as the training


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Records and what the model says about each; `total` is how many the validation set has."""

    folder: ModelFolder
    records: tuple[Record, ...]
    results: tuple[Result, ...]
    total: int

    @property
    def note(self) -> str:
        """How many images that were, for people."""
        count = len(self.records)
        return f"{count} images" if count == self.total else f"{count} of {self.total} images"


def score(
    model: Path,
    records: Sequence[Record],
    *,
    settings: Settings | None = None,
    most_images: int = MOST_IMAGES,
    most_seconds: float = MOST_SECONDS,
) -> Scored:
    """Score a random choice of `records`, the same each time, within bounds of number and time.

    `settings` replace the model's own. Images that cannot be read any more are left out. The choice
    is in the order of the records.
    Raises ModelFolderError and UsageError as Predictor does.
    """
    folder = open_model_folder(model)
    chosen = np.random.default_rng(0).permutation(len(records))[:most_images].tolist()
    deadline = time.monotonic() + most_seconds
    results: dict[int, Result] = {}
    with Predictor(folder) as predictor:
        stream = predictor.stream((records[index].image for index in chosen), settings=settings)
        for index, (_, future) in zip(chosen, stream, strict=True):
            error = future.exception()
            if error is None:
                results[index] = future.result().value
            elif not isinstance(error, InputError | OSError):
                raise error
            if time.monotonic() > deadline:
                break
    kept = sorted(results)
    return Scored(
        folder,
        tuple(records[index] for index in kept),
        tuple(results[index] for index in kept),
        total=len(records),
    )
