"""A model folder and an image to an explanation.

`load_explainer` is the entry for every task: what it returns has one `explain`, whose result goes
into `explanation_body`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inference.errors import BadRequest, ExplanationFailed
from inference.explainable import unavailable_methods
from inference.families import classifier_named
from inference.folding import fold_batch_norms
from inference.model_folder import ModelFolder, Preprocessing
from inference.names import unknown_name
from inference.networks import load_network
from inference.schema import XaiParameters
from inference.settings import ClassificationSettings, Settings, label_threshold, settings_of
from inference.types import CLASSIFICATION_TASKS, Task, probabilities
from xai.detection.explainer import DetectorExplainer
from xai.explanation import Explanation, explanation_body
from xai.merging import region_map
from xai.methods import Method, Subject, method_of
from xai.paths import no_checkpoint
from xai.segment_cache import SegmentCache
from xai.segments import find_segments

__all__ = ["DetectorExplainer", "Explainer", "Explanation", "explanation_body", "load_explainer"]


def load_explainer(
    folder: ModelFolder, *, device: str = "cpu", offline: bool = False
) -> "Explainer | DetectorExplainer":
    """Load the network of a classifier or a detector, ready to explain.

    offline: allow methods that take minutes, for callers that nobody waits for.
    """
    if folder.facts.task in CLASSIFICATION_TASKS:
        return Explainer(folder, device=device)
    return DetectorExplainer(folder, device=device, offline=offline)


class Explainer:
    """A classifier's eager network, ready to explain.

    Nothing but a cache in it changes after construction, so several threads may explain at the
    same time.
    """

    def __init__(self, folder: ModelFolder, *, device: str = "cpu") -> None:
        """Load the network."""
        self._task = folder.facts.task
        self._labels = folder.facts.labels
        self._settings = settings_of(folder.settings, ClassificationSettings)
        self._threshold = label_threshold(self._settings)
        self._cam = classifier_named(folder.facts.family, folder.facts.options).cam
        self._preprocessing = folder.facts.preprocessing
        self._unavailable = unavailable_methods(folder.facts)
        self._device = torch.device(device)
        self._network = ready_to_explain(load_network(folder, device=device))
        self._find_segments = SegmentCache()
        _compile_kernels()

    def explain(
        self,
        image_rgb: NDArray[np.uint8],
        parameters: XaiParameters,
        *,
        checkpoint: Callable[[], None] = no_checkpoint,
        settings: Settings | None = None,
    ) -> Explanation:
        """Explain the classes of an image (H, W, 3) that `target_classes` names.

        Without it the most probable one or, if multi-label, every class whose probability reaches
        `confidence_score_threshold_multilabel`, the request's or the model's; that may be none.

        `checkpoint` is called between chunks of work; what it raises ends the explanation.
        `settings` of a request change nothing here, since a classifier has none.
        Raises BadRequest for parameters of detectors, methods that the network does not have,
        classes that are none, and options that the method has no use for, ExplanationFailed when
        the network gives something that is not a number.
        """
        if parameters.boxes is not None:
            raise BadRequest("xai_parameters.boxes is for detectors, and this is a classifier")
        method = method_of(parameters)
        if method.name in self._unavailable:
            raise BadRequest(self._unavailable[method.name])
        crop = crop_of(image_rgb, self._settings, self._preprocessing)
        image = as_input(crop, self._device, self._preprocessing)
        with exact_convolutions():
            probs = self._score(image)
            targets = self._targets(probs, parameters)
            subject = Subject(
                self._network,
                self._cam,
                image,
                targets,
                self._find_segments,
                self._preprocessing,
            )
            found = method.run(subject, parameters, checkpoint) if targets else None
        if found is None:
            return Explanation(crop, probs, targets, ())
        values = finite(found.values, method)
        return Explanation(crop, probs, targets, values, found.convergence)

    def _score(self, image: torch.Tensor) -> NDArray[np.float32]:
        with torch.no_grad():
            logits = self._network(image[None])[0]
        return probabilities(logits.cpu().numpy(), self._task)

    def _targets(self, probs: NDArray[np.float32], parameters: XaiParameters) -> tuple[int, ...]:
        if parameters.target_classes is not None:
            return named_classes(parameters.target_classes, self._labels)
        threshold = parameters.confidence_score_threshold_multilabel
        return explained_classes(
            probs, self._task, threshold=self._threshold if threshold is None else threshold
        )


def ready_to_explain(network: nn.Module) -> nn.Module:
    """Change a network in evaluation mode, in place, into the one that explains fastest."""
    return fold_batch_norms(network).to(memory_format=torch.channels_last)


def crop_of(
    image_rgb: NDArray[np.uint8], settings: ClassificationSettings, preprocessing: Preprocessing
) -> NDArray[np.uint8]:
    """Cut out of an image (H, W, 3) what the model sees of it: (S, S, 3)."""
    return preprocessing.crop(
        image_rgb, resize_size=settings.valid_resize_size, crop_size=settings.valid_crop_size
    )


def as_input(
    crop_rgb: NDArray[np.uint8], device: torch.device, preprocessing: Preprocessing
) -> torch.Tensor:
    """Turn a crop (S, S, 3) into the network's input, (3, S, S)."""
    return torch.from_numpy(preprocessing.normalized(crop_rgb[None])[0]).to(device)


def exact_convolutions() -> AbstractContextManager[None]:
    """Compute without TF32, which keeps 10 bits of the mantissa: too few for sums over a path."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def named_classes(names: Sequence[str], labels: Sequence[str]) -> tuple[int, ...]:
    """Where each name is among the labels. Raises BadRequest for a name that is none of them."""
    places = {label: place for place, label in enumerate(labels)}
    for name in names:
        if name not in places:
            raise BadRequest(unknown_name("label in target_classes", name, labels))
    return tuple(places[name] for name in names)


def explained_classes(
    probs: NDArray[np.float32], task: Task, *, threshold: float
) -> tuple[int, ...]:
    """Choose the most probable class or, if multi-label, all that reach the threshold."""
    if task is Task.MULTILABEL:
        return tuple(np.flatnonzero(probs >= threshold).tolist())
    return (int(probs.argmax()),)


def finite(values: torch.Tensor, method: Method) -> tuple[NDArray[np.float32], ...]:
    """One contiguous array per target. Raises ExplanationFailed for what is not a number."""
    if not values.isfinite().all():
        raise ExplanationFailed(
            f"{method.name} met values that are not finite in the network: "
            "its weights may be damaged"
        )
    return tuple(value.contiguous().cpu().numpy() for value in values)


def _compile_kernels() -> None:
    """Have everything compiled now rather than in the first request."""
    segments = find_segments(np.zeros((8, 8, 3), np.float32))
    for fast in (True, False):
        region_map(np.zeros((8, 8), np.float32), segments, fast=fast)
