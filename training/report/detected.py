"""A detector's predictions beside the truth."""

from dataclasses import dataclass

from inference.settings import SegmentationSettings
from inference.types import Detections, ObjectsFound
from training.data.detection_samples import truth_of
from training.data.records import Record
from training.detection_validation import image_truth
from training.metrics.detection_regions import ImageTruth
from training.report.scoring import Scored

_MASK_THRESHOLD = 0.5  # of detectors without masks, which nothing depends on


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """records, found and truths belong to the same images; masks count from mask_threshold on."""

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    found: tuple[Detections, ...]
    truths: tuple[ImageTruth, ...]
    mask_threshold: float


def detected(scored: Scored) -> Detected:
    """Collect what was found in all images. Raises TypeError for what a classifier says."""
    labels, settings = scored.folder.facts.labels, scored.folder.settings
    found, truths = [], []
    for record, result in zip(scored.records, scored.results, strict=True):
        if not isinstance(result, ObjectsFound):
            raise TypeError(f"objects wanted, got {type(result).__name__}")
        found.append(result.detections)
        truths.append(image_truth(truth_of(record, labels, result.size_hw), result.size_hw))
    return Detected(
        records=scored.records,
        labels=labels,
        found=tuple(found),
        truths=tuple(truths),
        mask_threshold=(
            settings.mask_pixel_score_threshold
            if isinstance(settings, SegmentationSettings)
            else _MASK_THRESHOLD
        ),
    )
