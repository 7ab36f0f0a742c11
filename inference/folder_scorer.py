"""What a folder is scored with, from the options of the command: the same in every process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from inference.engine import resolve_device
from inference.errors import UsageError
from inference.folder import Draw, Explain, Scorer
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.names import unknown_name
from inference.predictor import Predictor
from inference.schema import Algorithm, DetectorAlgorithm, OfflineAlgorithm, XaiParameters
from inference.settings import DetectionSettings, SegmentationSettings, Settings
from inference.types import CLASSIFICATION_TASKS

CLASSIFIER_ALGORITHMS = get_args(Algorithm)
DETECTOR_ALGORITHMS = (*get_args(DetectorAlgorithm), *get_args(OfflineAlgorithm))


@dataclass(frozen=True, slots=True)
class ScorerOptions:
    """Everything that decides what a line holds, and what computes it."""

    model: ModelFolder
    settings: Settings
    explain: str | None
    attributions: bool
    draw: Path | None
    engine: str
    device: str
    batch_size: int | None


def check_options(options: ScorerOptions) -> None:
    """Raise UsageError for what can be seen before the model is loaded."""
    is_classifier = options.model.facts.task in CLASSIFICATION_TASKS
    algorithms = CLASSIFIER_ALGORITHMS if is_classifier else DETECTOR_ALGORITHMS
    if options.explain is not None and options.explain not in algorithms:
        raise UsageError(unknown_name("algorithm", options.explain, algorithms))
    if options.draw is not None and is_classifier:
        raise UsageError(
            f"--draw shows what a detector finds, and {options.model.path} is a classifier"
        )


@contextmanager
def open_scorer(options: ScorerOptions) -> Iterator[Scorer]:
    """Load the model and what explains it, for as long as the context lasts."""
    check_options(options)
    explain, draw = _explain(options), _draw(options)
    with Predictor(
        options.model,
        engine=options.engine,
        device=options.device,
        max_batch=options.batch_size,
        max_queue=max(256, options.batch_size or 0),
    ) as predictor:
        yield Scorer(predictor, options.settings, explain, draw)


def _draw(options: ScorerOptions) -> Draw | None:
    if options.draw is None or not isinstance(options.settings, DetectionSettings):
        return None
    from inference.draw import write_picture

    threshold = 0.5
    if isinstance(options.settings, SegmentationSettings):
        threshold = options.settings.mask_pixel_score_threshold
    return partial(write_picture, options.draw, mask_threshold=threshold)


def _explain(options: ScorerOptions) -> Explain | None:
    if options.explain is None:
        return None
    from xai.explainer import explanation_body, load_explainer

    parameters = XaiParameters.model_validate(
        {"xai_algorithm": options.explain, "attributions": options.attributions}
    )
    device = resolve_device(options.device)
    explainer = load_explainer(options.model, device=device, offline=True)

    def explain(data: bytes) -> dict[str, Any]:
        pixels_rgb = decode_image(data)
        explanation = explainer.explain(pixels_rgb, parameters, settings=options.settings)
        return explanation_body(explanation, parameters, options.model.facts.task)

    return explain
