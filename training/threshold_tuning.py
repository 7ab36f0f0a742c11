"""`tune-thresholds`: the score threshold of a run's best model, chosen on its validation images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.errors import UsageError
from inference.model_folder import SETTINGS_FILE, open_model_folder
from inference.settings import DetectionSettings, MultilabelSettings, Settings, write_settings
from training.metrics.detection import compare
from training.operating_points import (
    Choice,
    Objective,
    Passes,
    Point,
    best_point,
    parse_objective,
    point_at,
)
from training.report.classified import classified
from training.report.detected import detected
from training.report.evidence import read_evidence
from training.report.scoring import Scored, score
from training.runs import Run


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """All predictions of a validation set: scores (n,), whether each is right, how many could be.

    passes is the comparison that the server makes.
    """

    scores: NDArray[np.float32]
    is_true: NDArray[np.bool_]
    positives: int
    passes: Passes


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was written where, and what it changes; images: how many it was chosen on."""

    path: Path
    name: str
    objective: str
    images: str
    before: Point
    choice: Choice

    def lines(self) -> Iterator[str]:
        """For people."""
        before, after = self.before, self.choice.point
        yield f"{self.name} {before.threshold:g} → {after.threshold:g}, for {self.objective}"
        yield (
            f"on {self.images}: f1 {before.f1:.3f} → {after.f1:.3f}, precision "
            f"{before.precision:.3f} → {after.precision:.3f}, recall {before.recall:.3f} → "
            f"{after.recall:.3f}"
        )
        if self.choice.ties:
            yield f"{self.choice.ties} lower thresholds are as good; the highest was taken"
        yield f"written {self.path}; what was registered before keeps its own"


def tune_thresholds(run: Run, objective: str) -> Tuned:
    """Choose the threshold of the best model's settings.json by `objective`, and write it there.

    Boxes of all classes, or labels of all images, count together. Raises UsageError for a job
    without thresholds or without a model, and where nothing can be chosen.
    """
    wanted = parse_objective(objective)
    evidence = read_evidence(run)
    if evidence.model is None:
        raise UsageError(
            f"run {run.name} has no model yet; finish it with: python -m training resume {run.name}"
        )
    settings = open_model_folder(evidence.model).settings
    name = _threshold_name(settings)
    everything = settings.model_copy(update={name: 0.0})
    scored = score(
        evidence.model,
        evidence.validation,
        settings=everything,
        most_images=len(evidence.validation),
        most_seconds=float("inf"),
    )
    if isinstance(settings, MultilabelSettings):
        judged = _of_labels(scored)
    else:
        judged = _of_objects(scored, iou_threshold=evidence.iou_threshold)
    before, choice = _chosen(wanted, judged, current=float(getattr(settings, name)))
    path = evidence.model / SETTINGS_FILE
    write_settings(path, settings.model_copy(update={name: choice.point.threshold}))
    return Tuned(path, name, objective, scored.note, before, choice)


def _threshold_name(settings: Settings) -> str:
    if isinstance(settings, DetectionSettings):
        return "box_score_thresh"
    if isinstance(settings, MultilabelSettings):
        return "confidence_score_threshold_multilabel"
    raise UsageError(
        "there is nothing to tune: a multi-class model answers with its most probable class, "
        "whatever its score"
    )


def _of_labels(scored: Scored) -> Judged:
    found = classified(scored)
    is_true = found.targets.ravel() > 0
    return Judged(found.probs.ravel(), is_true, int(is_true.sum()), np.greater_equal)


def _of_objects(scored: Scored, *, iou_threshold: float) -> Judged:
    """Match once, with everything: neither NMS nor matching of a box depends on lower scores."""
    images = detected(scored)
    has_masks = any(found.masks is not None for found in images.found)
    matching = compare(
        images.found,
        images.truths,
        labels=images.labels,
        metric_type="none",
        iou_threshold=iou_threshold,
        kind="masks" if has_masks else "boxes",
        mask_threshold=images.mask_threshold,
    ).matching
    scores = matching.predictions.scores.astype(np.float32)
    return Judged(scores, matching.found >= 0, len(matching.objects), np.greater)


def _chosen(objective: Objective, judged: Judged, *, current: float) -> tuple[Point, Choice]:
    """What the threshold gives that there is now, and the best one."""
    if not judged.positives or not len(judged.scores):
        raise UsageError(
            f"there is nothing to tune on: the validation images have {judged.positives} objects "
            f"or labels, and the model predicts {len(judged.scores)}"
        )
    positives, passes = judged.positives, judged.passes
    before = point_at(current, judged.scores, judged.is_true, positives=positives, passes=passes)
    choice = best_point(
        objective, judged.scores, judged.is_true, positives=positives, passes=passes
    )
    return before, choice
