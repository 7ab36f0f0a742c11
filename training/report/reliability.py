"""Whether a probability means what it says: reliability diagram and expected calibration error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.types import Task
from training.report.classified import Classified, classified
from training.report.evidence import Evidence
from training.report.plots import Axis, Columns, Dots, Line, Mark, chart
from training.report.tables import note

_BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Predictions by confidence, in bins (i / n, (i + 1) / n]; counts, confidence, accuracy (n,).

    error: the expected calibration error, Σ counts / total · |accuracy - confidence|
    (Guo et al. 2017, eq. 3). An empty bin has confidence and accuracy 0.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: float


def reliability(
    confidence: NDArray[np.float64], is_right: NDArray[np.bool_], *, bins: int = _BINS
) -> Reliability:
    """Compare confidences (N,) in [0, 1] with how often the predictions were right."""
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    divisor = np.maximum(counts, 1)
    mean = np.bincount(places, weights=confidence, minlength=bins) / divisor
    accuracy = np.bincount(places, weights=is_right, minlength=bins) / divisor
    error = float(np.sum(counts * np.abs(accuracy - mean)) / max(1, counts.sum()))
    return Reliability(counts, mean, accuracy, error)


def reliability_diagram(evidence: Evidence) -> str:
    """Columns of accuracy per confidence against the diagonal, where both are equal."""
    if evidence.scored is None or not evidence.scored.records:
        return ""
    confidence, is_right, counted = _judged(classified(evidence.scored), evidence.task)
    found = reliability(confidence, is_right)
    names = [
        f"{count} predictions, confidence {mean:.3f}, right {share:.3f}"
        for count, mean, share in zip(found.counts, found.confidence, found.accuracy, strict=True)
    ]
    edges = np.linspace(0, 1, _BINS + 1).tolist()
    used = np.flatnonzero(found.counts)
    dots = [(float(found.confidence[i]), float(found.accuracy[i])) for i in used]
    marks: list[Mark] = [
        Columns(edges, found.accuracy.tolist(), "c0", names),
        Line([(0, 0), (1, 1)], "guide", "perfectly calibrated"),
        Dots(dots, "c1", [names[i] for i in used]),
    ]
    drawn = chart(
        Axis("confidence", 0, 1), Axis("accuracy", 0, 1), marks, title="Accuracy by confidence"
    )
    return (
        f'<div class="charts">{drawn}</div>'
        + f"<p>Expected calibration error <b>{found.error:.3f}</b></p>"
        + note(
            f"{counted} of {evidence.scored.note}, in {_BINS} bins; dots are at each bin's mean "
            "confidence. Columns under the line: the model is surer than it should be."
        )
    )


def _judged(images: Classified, task: Task) -> tuple[NDArray[np.float64], NDArray[np.bool_], str]:
    """Confidence and truth of each top prediction or, if multi-label, of each label's answer."""
    if task is Task.MULTILABEL:
        probs, is_right = images.probs.ravel(), images.targets.ravel() > 0
        return probs.astype(np.float64), is_right, "The probability of every label"
    top = images.probs.argmax(axis=1)
    rows = np.arange(len(top))
    return (
        images.probs[rows, top].astype(np.float64),
        images.targets[rows, top] > 0,
        "The probability of the predicted class",
    )
