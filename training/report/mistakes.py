"""The worst mistakes of a classifier: wrong with the highest confidence, and where it looked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.explainable import unavailable_methods
from inference.html_page import thumbnail
from inference.image import decode_image
from inference.schema import Algorithm, XaiParameters
from inference.settings import LABEL_THRESHOLD
from inference.types import Task
from training.report.classified import Classified, classified
from training.report.evidence import Evidence
from training.report.tables import note
from xai.explainer import Explainer
from xai.explanation import explanation_pngs

MOST_MISTAKES = 12
_SIDE = 256  # pixels of a picture
_METHOD: Algorithm = "guided_gradcam"  # two passes backwards
_ANY_NETWORKS: Algorithm = "xrai"
_NAMES: dict[Algorithm, str] = {"guided_gradcam": "guided Grad-CAM", "xrai": "XRAI"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """Image `row`: what was said wrongly, and how sure of it the model was.

    label_id: the class that was said or, if multi-label, is missing (is_missing). confidence: of
    what was said, 1 - probability where a label is missing.
    """

    row: int
    label_id: int
    confidence: float
    is_missing: bool = False


def worst_mistakes(evidence: Evidence) -> str:
    """Pictures with truth, prediction and explanation."""
    if evidence.scored is None or not evidence.scored.records:
        return ""
    images = classified(evidence.scored)
    found = find_mistakes(images, evidence.task)
    if not found:
        return note(f"None in {evidence.scored.note}.")
    folder = evidence.scored.folder
    method = _ANY_NETWORKS if _METHOD in unavailable_methods(folder.facts) else _METHOD
    explain = partial(_explained, explainer=Explainer(folder), method=method)
    shown = "".join(_figures(images, one, explain) for one in found[:MOST_MISTAKES])
    return (
        note(
            f"{len(found)} in {evidence.scored.note}, the surest first. Right picture: "
            f"{_NAMES[method]} of the class in question: the model's view, where it looked "
            "(white most), both blended, and the 30 % of the pixels that mattered most."
        )
        + f'<div class="pics">{shown}</div>'
    )


def find_mistakes(images: Classified, task: Task) -> list[Mistake]:
    """All that was said wrongly, the surest first; at most one per image."""
    found = (
        _worst_label(images, row) if task is Task.MULTILABEL else _wrong_class(images, row)
        for row in range(len(images.records))
    )
    return sorted((one for one in found if one), key=lambda one: (-one.confidence, one.row))


def _wrong_class(images: Classified, row: int) -> Mistake | None:
    said = int(images.probs[row].argmax())
    if images.targets[row, said]:
        return None
    return Mistake(row, said, float(images.probs[row, said]))


def _worst_label(images: Classified, row: int) -> Mistake | None:
    probs, is_true = images.probs[row], images.targets[row] > 0
    sure = np.where(is_true, 1 - probs, probs)
    sure[(probs >= LABEL_THRESHOLD) == is_true] = -1.0
    worst = int(sure.argmax())
    if sure[worst] < 0:
        return None
    return Mistake(row, worst, float(sure[worst]), is_missing=bool(is_true[worst]))


def _figures(
    images: Classified, mistake: Mistake, explain: Callable[[NDArray[np.uint8], str], str]
) -> str:
    record = images.records[mistake.row]
    pixels = decode_image(record.image.read_bytes())
    photo, _ = thumbnail(pixels, side=_SIDE)
    label = images.labels[mistake.label_id]
    probability = float(images.probs[mistake.row, mistake.label_id])
    seen = explain(pixels, label)
    truth = [images.labels[i] for i in np.flatnonzero(images.targets[mistake.row])]
    return (
        f'<figure class="case"><div class="two">{photo}{seen}</div><figcaption>'
        f"{_caption(label, probability, truth, mistake.is_missing)}"
        f'<br><span title="{escape(str(record.image))}">{escape(record.image.name)}</span>'
        "</figcaption></figure>"
    )


def _caption(label: str, probability: float, truth: Sequence[str], is_missing: bool) -> str:
    said = f"{'not ' if is_missing else ''}{label}"
    return (
        f"said <b>{escape(said)}</b>, probability {probability:.3f}; "
        f"truth <b>{escape(', '.join(truth) or 'none')}</b>"
    )


def _explained(
    pixels: NDArray[np.uint8], label: str, *, explainer: Explainer, method: Algorithm
) -> str:
    """The explanation of one class."""
    parameters = XaiParameters(xai_algorithm=method, target_classes=[label])
    (png,) = explanation_pngs(explainer.explain(pixels, parameters), parameters)
    grid = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    return thumbnail(grid, side=_SIDE)[0]
