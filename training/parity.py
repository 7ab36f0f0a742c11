"""Do the engines, by the whole way that the server goes, compute what the trained network does?"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from inference.candidates import Candidates
from inference.classify import ClassificationPipeline
from inference.detect import DetectionPipeline
from inference.engine import ENGINES
from inference.engine.torch_engine import TorchEngine
from inference.errors import ModelFolderError
from inference.families import detector_named
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.pipeline import Pipeline, load_pipeline
from inference.types import CLASSIFICATION_TASKS

TOLERANCE = 1e-4  # largest difference of a classifier's probability
SCORE_TOLERANCE = 1e-3  # of a candidate's score: its features went through thousands of sums more
SAME_BOX_PX = 0.1  # of the canvas; how far apart the corners of one box may be
_COMPARED = 20  # best candidates of an image
_MUST_MATCH = 0.95  # share of them: the NMS of proposals may decide a tie otherwise


def parity(
    network: nn.Module, folder: ModelFolder, *, photos: Sequence[bytes] = ()
) -> dict[str, float]:
    """Largest difference of a probability or score between `network` and each engine's answers.

    The engines get encoded images, fixed ones and `photos`, by the server's own decoding and
    preprocessing, and in batches. Raises ModelFolderError over a difference that is no rounding.
    """
    own = _pipeline(network, folder)
    if folder.facts.task in CLASSIFICATION_TASKS:
        images, difference, allowed = _fixed_images(), _probability_difference, TOLERANCE
    else:  # on a flat picture all boxes score the same, and any may be the best
        images, difference, allowed = _fixed_images()[:1], _candidate_difference, SCORE_TOLERANCE
    settings = folder.settings
    decoded = [decode_image(file) for file in (*map(_png, images), *photos)]
    items = [own.prepare(image, settings)[0] for image in decoded]
    differences = {}
    for engine in ENGINES:
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
        return ClassificationPipeline(engine, task=facts.task, labels=facts.labels)
    family = detector_named(facts.family)
    engine = TorchEngine(
        network, device="cpu", preprocessing=facts.preprocessing, mask_head=family.mask_head
    )
    return DetectionPipeline(engine, family=family, labels=facts.labels)


def _probability_difference(own: Pipeline, other: Pipeline, item: Any) -> float:
    (expected,) = own.run([item])
    _, answer = other.run([item, item])
    return float(np.abs(expected.probs - answer.probs).max())


def _candidate_difference(own: Pipeline, other: Pipeline, item: Any) -> float:
    """Largest difference of a score between the same boxes; infinite where boxes are missing.

    Of candidates, before NMS: among boxes of one score NMS keeps any.
    """
    if not isinstance(own, DetectionPipeline) or not isinstance(other, DetectionPipeline):
        raise TypeError("candidates are what detectors give")
    wanted = _boxes_scores_labels(own.candidates([item]), 0)
    got = _boxes_scores_labels(other.candidates([item, item]), 1)
    best = wanted[1].argsort(descending=True)[:_COMPARED]
    boxes, scores, label_ids = (part[best] for part in wanted)
    if not len(scores):
        return 0.0
    same = (torch.cdist(boxes, got[0], p=torch.inf) <= SAME_BOX_PX) & (label_ids[:, None] == got[2])
    apart = (scores[:, None] - got[1]).abs().masked_fill(~same, torch.inf)
    closest = apart.amin(dim=1) if len(got[1]) else torch.full_like(scores, torch.inf)
    matched = closest.isfinite()
    is_same = matched.float().mean() >= _MUST_MATCH
    return float(closest[matched].max()) if is_same else float("inf")


def _boxes_scores_labels(candidates: Candidates, image_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """One image's candidates as pairs of box and class: (n, 4), (n,), (n,)."""
    mine = candidates.image_ids == image_id
    scores = candidates.scores[mine].float().cpu()
    boxes = candidates.boxes_xyxy[mine].float().cpu().expand(-1, scores.shape[1], -1)
    label_ids = torch.arange(scores.shape[1]).expand_as(scores)
    return boxes.reshape(-1, 4), scores.flatten(), label_ids.flatten()


def _fixed_images() -> list[NDArray[np.uint8]]:
    """Noise, a black image, and two smooth ones of other shapes."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:300, 0:200]
    smooth = np.stack([rows % 256, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    return [noise, np.zeros((64, 64, 3), np.uint8), smooth, smooth.transpose(1, 0, 2)]


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
