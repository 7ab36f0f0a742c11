"""From a decoded image to a prediction: what every task has to say about it."""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.engine import load_engine
from inference.engine.base import Engine
from inference.model_folder import ModelFolder
from inference.settings import Settings
from inference.types import CLASSIFICATION_TASKS, ClassScores, ObjectsFound

Result = ClassScores | ObjectsFound


class Pipeline(Protocol):
    """One task's way through a loaded model. An item is what takes one place in a batch.

    `prepare` and `finish` are called from several threads, `run` from one per lane of the engine.
    """

    engine: Engine

    def prepare(self, image_rgb: NDArray[np.uint8], settings: Settings) -> Sequence[Any]:
        """An image (H, W, 3) to its items, one or, with tiles, several."""
        ...

    def key(self, item: Any) -> Hashable:
        """What items must have in common to share a batch."""
        ...

    def run(self, items: Sequence[Any]) -> Sequence[Any]:
        """A batch through the model, one part per item. Raises MemoryError when it is too large."""
        ...

    def finish(self, items: Sequence[Any], parts: Sequence[Any]) -> Result:
        """The parts of all items of one image to its result."""
        ...


def load_pipeline(folder: ModelFolder, *, engine: str = "torch", device: str = "auto") -> Pipeline:
    """Load a model into an engine. Raises UsageError and ModelFolderError as `load_engine` does."""
    loaded = load_engine(folder, name=engine, device=device)
    if folder.facts.task in CLASSIFICATION_TASKS:
        from inference.classify import ClassificationPipeline

        return ClassificationPipeline(
            loaded,
            task=folder.facts.task,
            labels=folder.facts.labels,
            preprocessing=folder.facts.preprocessing,
        )
    from inference.detect import DetectionPipeline  # needs torch, which a classifier may not
    from inference.families import detector_named

    return DetectionPipeline(
        loaded,
        family=detector_named(folder.facts.family),
        labels=folder.facts.labels,
        object_px=folder.facts.object_px,
    )
