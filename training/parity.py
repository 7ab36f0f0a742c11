"""Do the engines, by the whole way that the server goes, compute what the trained network does?"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from inference.agreement import difference, fixed_images
from inference.classify import ClassificationPipeline
from inference.detect import DetectionPipeline
from inference.engine import EXACT_ENGINES
from inference.engine.torch_engine import TorchEngine
from inference.errors import ModelFolderError
from inference.families import detector_named
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.pipeline import Pipeline, load_pipeline
from inference.types import CLASSIFICATION_TASKS

TOLERANCE = 1e-4  # largest difference of a classifier's probability
SCORE_TOLERANCE = 1e-3  # of a candidate's score: its features went through thousands of sums more


def parity(
    network: nn.Module, folder: ModelFolder, *, photos: Sequence[bytes] = ()
) -> dict[str, float]:
    """Largest difference of a probability or score between `network` and each engine's answers.

    The engines get encoded images, fixed ones and `photos`, by the server's own decoding and
    preprocessing, and in batches. Raises ModelFolderError over a difference that is no rounding.
    """
    own = _pipeline(network, folder)
    is_detector = folder.facts.task not in CLASSIFICATION_TASKS
    allowed = SCORE_TOLERANCE if is_detector else TOLERANCE
    files = (*map(_png, fixed_images(is_detector=is_detector)), *photos)
    items = [own.prepare(decode_image(file), folder.settings)[0] for file in files]
    differences = {}
    for engine in EXACT_ENGINES:
        if engine == "onnxruntime" and not folder.onnx_path.exists():
            continue  # the export said why
        other = load_pipeline(folder, engine=engine, device="cpu")
        differences[engine] = max(difference(own, other, item) for item in items)
        if not differences[engine] <= allowed:
            raise ModelFolderError(
                f"{folder.path}: engine {engine} differs from the trained network by "
                f"{differences[engine]:.1e} in probability, allowed {allowed:.0e}"
            )
    return differences


def _pipeline(network: nn.Module, folder: ModelFolder) -> Pipeline:
    facts = folder.facts
    if facts.task in CLASSIFICATION_TASKS:
        engine = TorchEngine(network, device="cpu", preprocessing=facts.preprocessing)
        return ClassificationPipeline(
            engine, task=facts.task, labels=facts.labels, preprocessing=facts.preprocessing
        )
    family = detector_named(facts.family)
    engine = TorchEngine(
        network, device="cpu", preprocessing=facts.preprocessing, mask_head=family.mask_head
    )
    return DetectionPipeline(engine, family=family, labels=facts.labels)


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
