"""Classification: a centre crop in, class probabilities out."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.engine.base import Engine, as_numpy
from inference.model_folder import Preprocessing
from inference.settings import ClassificationSettings, Settings, settings_of
from inference.types import ClassScores, Task, probabilities

Crop = NDArray[np.uint8]


class ClassificationPipeline:
    """Both classification tasks; see Pipeline."""

    def __init__(
        self,
        engine: Engine,
        *,
        task: Task,
        labels: tuple[str, ...],
        preprocessing: Preprocessing,
    ) -> None:
        self.engine = engine
        self._preprocessing = preprocessing
        self._task = task
        self._labels = labels

    def prepare(self, image_rgb: NDArray[np.uint8], settings: Settings) -> Sequence[Crop]:
        """Resize and crop."""
        chosen = settings_of(settings, ClassificationSettings)
        crop = self._preprocessing.crop(
            image_rgb, resize_size=chosen.valid_resize_size, crop_size=chosen.valid_crop_size
        )
        return [crop]

    def key(self, item: Crop) -> Hashable:
        """Crops of equal size share a batch."""
        return item.shape

    def run(self, items: Sequence[Crop]) -> Sequence[ClassScores]:
        """One forward pass."""
        return self.engine.guard(lambda: self._run(items))

    def finish(self, items: Sequence[Crop], parts: Sequence[ClassScores]) -> ClassScores:
        """There is but one item."""
        return parts[0]

    def _run(self, items: Sequence[Crop]) -> list[ClassScores]:
        (logits,) = self.engine(np.stack(items))
        probs = probabilities(as_numpy(logits), self._task)
        return [ClassScores(row, self._labels) for row in probs]
