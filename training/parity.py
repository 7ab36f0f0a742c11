"""Do the engines, by the whole way that the server goes, compute what the trained network does?"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torchvision.ops import box_iou

from inference.classify import ClassificationPipeline
from inference.detect import DetectionPipeline
from inference.engine import ENGINES
from inference.engine.torch_engine import TorchEngine
from inference.errors import ModelFolderError
from inference.families import detector_named
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.pipeline import Pipeline, Result
from inference.predictor import Predictor
from inference.settings import Settings
from inference.types import CLASSIFICATION_TASKS, ClassScores, ObjectsFound

TOLERANCE = 1e-4  # largest difference of a classifier's probability
SCORE_TOLERANCE = 1e-3  # of a detection's score: its features went through thousands of sums more
SAME_BOX = 0.99  # IoU from which two boxes are the same
_COMPARED = 20  # best detections of an image
_MUST_MATCH = 0.95  # share of them: NMS may decide a tie otherwise


def parity(
    network: nn.Module, folder: ModelFolder, *, photos: Sequence[bytes] = ()
) -> dict[str, float]:
    """Largest difference of a probability or score between `network` and each engine's answers.

    The engines get encoded images, four fixed ones and `photos`, and go the whole way that the
    server goes: decoding, preprocessing, batching. Raises ModelFolderError over a difference that
    is no rounding.
    """
    files = [*(_png(image) for image in _fixed_images()), *photos]
    expected = _expected(network, folder, files)
    settings = [_low_threshold(folder)] * len(files)
    differences = {}
    for engine in ENGINES:
        with Predictor(folder, engine=engine, device="cpu") as predictor:
            futures = predictor.submit(files, settings=settings)
            answers = [future.result().value for future in futures]
        differences[engine] = max(map(_difference, expected, answers))
        tolerance = TOLERANCE if folder.facts.task in CLASSIFICATION_TASKS else SCORE_TOLERANCE
        if not differences[engine] <= tolerance:
            raise ModelFolderError(
                f"{folder.path}: engine {engine} differs from the trained network by "
                f"{differences[engine]:.1e} in probability, allowed {tolerance:.0e}"
            )
    return differences


def _low_threshold(folder: ModelFolder) -> Settings:
    """Have something to compare also where a weak model finds nothing."""
    if folder.facts.task in CLASSIFICATION_TASKS:
        return folder.settings
    return folder.settings.overridden({"box_score_thresh": 0.05, "tile_grid_size": None})


def _expected(network: nn.Module, folder: ModelFolder, files: Sequence[bytes]) -> list[Result]:
    pipeline = _pipeline(network, folder)
    settings = _low_threshold(folder)
    results = []
    for file in files:
        items = pipeline.prepare(decode_image(file), settings)
        results.append(pipeline.finish(items, pipeline.run(items)))
    return results


def _pipeline(network: nn.Module, folder: ModelFolder) -> Pipeline:
    facts = folder.facts
    if facts.task in CLASSIFICATION_TASKS:
        engine = TorchEngine(network, device="cpu", preprocessing=facts.preprocessing)
        return ClassificationPipeline(engine, task=facts.task, labels=facts.labels)
    family = detector_named(facts.family)
    engine = TorchEngine(
        network, device="cpu", preprocessing=facts.preprocessing, mask_head=family.mask_head
    )
    return DetectionPipeline(engine, family=family, labels=facts.labels)


def _difference(expected: Result, answer: Result) -> float:
    if isinstance(expected, ClassScores) and isinstance(answer, ClassScores):
        return float(np.abs(expected.probs - answer.probs).max())
    if isinstance(expected, ObjectsFound) and isinstance(answer, ObjectsFound):
        return _score_difference(expected, answer)
    raise TypeError(f"{type(expected)} cannot be compared with {type(answer)}")


def _score_difference(expected: ObjectsFound, answer: ObjectsFound) -> float:
    """Largest difference of a score between the same boxes; infinite where boxes are missing."""
    wanted, got = expected.detections[:_COMPARED], answer.detections
    if not len(wanted):
        return 0.0
    if not len(got):
        return float("inf")
    boxes = (torch.from_numpy(part.boxes_xyxy) for part in (wanted, got))
    same = box_iou(*boxes).numpy() >= SAME_BOX
    same &= wanted.label_ids[:, None] == got.label_ids
    apart = np.where(same, np.abs(wanted.scores[:, None] - got.scores), np.inf).min(axis=1)
    matched = np.isfinite(apart)
    return float(apart[matched].max()) if matched.mean() >= _MUST_MATCH else float("inf")


def _fixed_images() -> list[NDArray[np.uint8]]:
    """A black image, noise, and two smooth ones of other shapes."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:300, 0:200]
    smooth = np.stack([rows % 256, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    return [np.zeros((64, 64, 3), np.uint8), noise, smooth, smooth.transpose(1, 0, 2)]


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
