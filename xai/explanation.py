"""What an explanation is, and how it looks on the wire."""

from base64 import b64encode
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.schema import XaiParameters
from inference.types import Task
from xai.detection.explanation import DetectorExplanation, detector_body
from xai.encoding import encoded
from xai.integrals import Convergence
from xai.methods import method_of
from xai.picture import explanation_png


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Which pixels made the model say so, for one image.

    crop_rgb (S, S, 3): the pixels that the model saw; probs (C,), in label order; targets: indices
    of the explained classes; attributions: (3, S, S) float32 per target, for the class's logit;
    convergence: how well each was computed, or empty if that was not asked for.
    """

    crop_rgb: NDArray[np.uint8]
    probs: NDArray[np.float32]
    targets: tuple[int, ...]
    attributions: tuple[NDArray[np.float32], ...]
    convergence: tuple[Convergence, ...] = ()

    def __post_init__(self) -> None:
        side = self.crop_rgb.shape[0]
        shapes = [attribution.shape for attribution in self.attributions]
        if shapes != [(3, side, side)] * len(self.targets):
            raise ValueError(
                f"attributions must have shape (3, {side}, {side}) for each of the "
                f"{len(self.targets)} targets, got {shapes}"
            )


def explanation_body(
    explanation: Explanation | DetectorExplanation, parameters: XaiParameters, task: Task
) -> dict[str, Any]:
    """Azure's keys "visualizations" and "attributions", and ours, those that were asked for.

    A base64 PNG; an array (3, S, S) float32, which the caller serialises, or base64 of it;
    "convergence": {"completeness_delta", "n_steps"}.
    With `target_classes`, a list of each in that order, and "explained_classes", their names; else
    multi-class: one of each; multi-label: a list of each, in label order. Detectors: see
    `detector_body`.
    """
    if isinstance(explanation, DetectorExplanation):
        return detector_body(explanation, parameters)
    body: dict[str, list[Any]] = {}
    if parameters.visualizations:
        pictures = explanation_pngs(explanation, parameters)
        body["visualizations"] = [b64encode(picture).decode("ascii") for picture in pictures]
    if parameters.attributions:
        encoding = parameters.attributions_encoding
        body["attributions"] = [encoded(values, encoding) for values in explanation.attributions]
    if parameters.asks_for_convergence:
        body["convergence"] = [asdict(convergence) for convergence in explanation.convergence]
    if parameters.target_classes is not None:
        return {**body, "explained_classes": parameters.target_classes}
    if task is Task.MULTILABEL:
        return body
    return {key: values[0] for key, values in body.items()}


def explanation_pngs(explanation: Explanation, parameters: XaiParameters) -> list[bytes]:
    """Draw one picture per explained class, as the method that made the attributions wants it."""
    method = method_of(parameters)
    return [
        explanation_png(
            explanation.crop_rgb,
            method.to_scores(attribution),
            clip_percentile=method.clip_percentile,
            top_percent=parameters.top_percent,
        )
        for attribution in explanation.attributions
    ]
