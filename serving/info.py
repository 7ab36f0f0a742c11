"""The body of GET /info: the model, how it runs, and what a request may ask."""

import platform
from typing import Any, get_args

from inference.explainable import unavailable_methods
from inference.image import MAX_PIXELS
from inference.model_folder import ONNX_FILE
from inference.packages import package_versions
from inference.predictor import Predictor
from inference.requests import MAX_IMAGES
from inference.schema import MAX_STEPS, Algorithm, DetectorAlgorithm
from inference.types import CLASSIFICATION_TASKS
from serving.arguments import Arguments

_PACKAGES = ("bentoml", "torch", "torchvision", "timm", "onnxruntime", "numpy", "pillow")


def describe(predictor: Predictor, arguments: Arguments, *, tag: str) -> dict[str, Any]:
    """Describe what is served; every value is JSON."""
    facts, engine = predictor.folder.facts, predictor.engine
    return {
        "model": tag,
        "task": facts.task,
        "family": facts.family,
        "source": facts.provenance.get("model"),
        "onnx": ONNX_FILE in facts.files,
        "labels": facts.labels,
        "settings": predictor.folder.settings.model_dump(),
        "metrics": facts.metrics,
        "engine": {"name": engine.name, "device": engine.device, "choice": _choice(predictor)},
        "explanations": _algorithms(predictor) if arguments.explain else (),
        "limits": _limits(predictor, arguments),
        "versions": {"python": platform.python_version(), **package_versions(_PACKAGES)},
    }


def _choice(predictor: Predictor) -> dict[str, Any] | None:
    """What engine=auto measured; None for an engine that was named."""
    return predictor.choice.model_dump(mode="json") if predictor.choice else None


def _algorithms(predictor: Predictor) -> tuple[str, ...]:
    facts = predictor.folder.facts
    if facts.task not in CLASSIFICATION_TASKS:
        return get_args(DetectorAlgorithm)
    missing = unavailable_methods(facts)
    return tuple(name for name in get_args(Algorithm) if name not in missing)


def _limits(predictor: Predictor, arguments: Arguments) -> dict[str, Any]:
    return {
        "max_batch": predictor.max_batch,
        "max_queue": predictor.max_queue,
        "max_wait_s": arguments.max_wait_s,
        "max_images": MAX_IMAGES,
        "max_body_bytes": arguments.max_body_bytes,
        "body_timeout_s": arguments.body_timeout_s,
        "max_pixels": MAX_PIXELS,
        "max_n_steps": MAX_STEPS,
        "max_explanations": arguments.max_explanations,
        "explain_timeout_s": arguments.explain_timeout_s,
    }
