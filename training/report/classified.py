"""A classifier's predictions beside the truth, as two matrices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.types import ClassScores
from training.data.datasets import target_matrix
from training.data.records import Record
from training.report.scoring import Scored


@dataclass(frozen=True, slots=True, eq=False)
class Classified:
    """records (N); probs (N, C) and targets (N, C) of 0 and 1, both float32, in label order."""

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    probs: NDArray[np.float32]
    targets: NDArray[np.float32]


def classified(scored: Scored) -> Classified:
    """Collect the scores of all images. Raises TypeError for what a detector says."""
    rows = []
    for result in scored.results:
        if not isinstance(result, ClassScores):
            raise TypeError(f"class scores wanted, got {type(result).__name__}")
        rows.append(result.probs)
    labels = scored.folder.facts.labels
    return Classified(scored.records, labels, np.stack(rows), target_matrix(scored.records, labels))
