"""Validation images with what is there and what was found, the worst and the best ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.draw import draw_detections
from inference.html_page import thumbnail
from inference.image import decode_image
from inference.types import Detections, Task
from training.metrics.detection import compare
from training.metrics.detection_evaluation import prediction_kinds
from training.metrics.detection_matching import Matching
from training.metrics.detection_regions import ImageTruth
from training.report.detected import Detected, detected
from training.report.evidence import Evidence
from training.report.tables import note

_WORST, _BEST = 9, 3
_SIDE = 360  # pixels; captions must be legible


@dataclass(frozen=True, slots=True)
class Verdict:
    """Image `row`: objects found and missed, and wrong predictions by kind."""

    row: int
    found: int
    missed: int
    wrong: tuple[tuple[str, int], ...]

    @property
    def quality(self) -> float:
        """F1 of the image; 1 where there is nothing and nothing was found."""
        errors = self.missed + sum(count for _, count in self.wrong)
        whole = 2 * self.found + errors
        return 2 * self.found / whole if whole else 1.0


def object_examples(evidence: Evidence) -> str:
    """Pictures: what was found in colour, the truth as dashed outlines."""
    if evidence.scored is None or not evidence.scored.records:
        return ""
    images = detected(evidence.scored)
    with_masks = evidence.task is Task.SEGMENTATION
    comparison = compare(
        images.found,
        images.truths,
        labels=images.labels,
        metric_type="none",
        iou_threshold=evidence.iou_threshold,
        kind="masks" if with_masks else "boxes",
        mask_threshold=images.mask_threshold,
    )
    ranked = sorted(
        verdicts(comparison.matching, images=len(images.records)),
        key=lambda one: (one.quality, one.found, one.row),
    )
    worst = [one for one in ranked if one.quality < 1][:_WORST]
    best = [one for one in ranked[::-1] if one not in worst][:_BEST]
    return (
        note(
            f"Of {evidence.scored.note}, with the model's own settings. Boxes and captions: what "
            "was found; dashed: the truth."
        )
        + _pictures("Worst", images, worst)
        + _pictures("Best", images, best)
    )


def verdicts(matching: Matching, *, images: int) -> list[Verdict]:
    """Judge every image by what was found, missed and wrong in it."""
    kinds = prediction_kinds(matching)
    missed = np.ones(len(matching.objects), np.bool_)
    missed[matching.found[matching.found >= 0]] = False
    missed_in = np.bincount(matching.objects.image_ids[missed], minlength=images)
    return [
        _verdict(row, Counter(kinds[matching.predictions.image_ids == row].tolist()), int(count))
        for row, count in enumerate(missed_in)
    ]


def _verdict(row: int, kinds: Counter[str], missed: int) -> Verdict:
    found = kinds.pop("true_positives", 0)
    return Verdict(row, found, missed, tuple(sorted(kinds.items())))


def _pictures(title: str, images: Detected, chosen: Sequence[Verdict]) -> str:
    if not chosen:
        return ""
    figures = "".join(_figure(images, verdict) for verdict in chosen)
    return f'<h3>{title}</h3><div class="pics">{figures}</div>'


def _figure(images: Detected, verdict: Verdict) -> str:
    record, truth = images.records[verdict.row], images.truths[verdict.row]
    pixels = np.asarray(_smaller(decode_image(record.image.read_bytes())))
    scale = pixels.shape[1] / truth.size_hw[1], pixels.shape[0] / truth.size_hw[0]
    drawn = draw_detections(
        pixels,
        _scaled(images.found[verdict.row], scale),
        images.labels,
        mask_threshold=images.mask_threshold,
    )
    image, (width, height) = thumbnail(drawn, side=_SIDE)
    return (
        f'<figure class="case"><div class="pic">{image}<svg viewBox="0 0 {width} {height}">'
        f"{_outlines(truth, images.labels, scale)}</svg></div>"
        f"<figcaption>{escape(_caption(verdict))}<br>"
        f'<span title="{escape(str(record.image))}">{escape(record.image.name)}</span>'
        "</figcaption></figure>"
    )


def _smaller(image_rgb: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(image_rgb)
    image.thumbnail((_SIDE, _SIDE))
    return image


def _scaled(found: Detections, scale: tuple[float, float]) -> Detections:
    return replace(found, boxes_xyxy=found.boxes_xyxy * np.array([*scale, *scale], np.float32))


def _outlines(truth: ImageTruth, labels: Sequence[str], scale: tuple[float, float]) -> str:
    """Rings of the objects or, where they have none, their boxes."""
    shapes = []
    for index, (x1, y1, x2, y2) in enumerate(truth.boxes_xyxy.tolist()):
        rings = truth.rings[index] if truth.rings else ()
        for ring in rings or ((x1, y1, x2, y1, x2, y2, x1, y2),):
            points = np.reshape(ring, (-1, 2)) * scale
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            title = escape(labels[truth.label_ids[index]])
            shapes.append(
                f'<polygon class="under" points="{text}"/>'
                f'<polygon class="truth" points="{text}"><title>{title}</title></polygon>'
            )
    return "".join(shapes)


def _caption(verdict: Verdict) -> str:
    parts = [(verdict.found, "found"), (verdict.missed, "missed")]
    for kind, count in verdict.wrong:
        name = kind.replace("_", " ")
        parts.append((count, name.removesuffix("s") if count == 1 else name))
    return ", ".join(f"{count} {name}" for count, name in parts if count) or "nothing there"
