"""What a detector finds in an image, and which candidate of which view each object is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.candidates import Candidates
from inference.detect import View, as_detections, choose, objects_found
from inference.evidence import Evidence
from inference.families import DetectorFamily
from inference.types import Detections, ObjectsFound
from xai.paths import Checkpoint

Read = Callable[[View], Evidence]


@dataclass(frozen=True, slots=True)
class Origin:
    """An object is candidate `row` of view `view_id`, as an object of class `label_id`."""

    view_id: int
    row: int
    label_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What was found in an image's views, and an origin per object.

    evidence: of the only view; None where tiles make several, which would not fit into memory.
    """

    found: ObjectsFound
    origins: tuple[Origin, ...]
    evidence: Evidence | None


def search(
    views: Sequence[View],
    read: Read,
    *,
    network: nn.Module,
    family: DetectorFamily,
    labels: tuple[str, ...],
    checkpoint: Checkpoint,
) -> Search:
    """Find the objects of an image in its views as the server does."""
    origins: list[Origin] = []
    parts: list[Detections] = []
    for view_id, view in enumerate(views):
        checkpoint()
        evidence = read(view)
        rows, label_ids = choose(evidence.candidates, 0, view.settings)
        ids = np.arange(len(origins), len(origins) + len(rows))
        parts.append(_detections(evidence.candidates, rows, label_ids, ids, network, family))
        pairs = zip(rows.tolist(), label_ids.tolist(), strict=True)
        origins += [Origin(view_id, *pair) for pair in pairs]
    found = objects_found(views, parts, labels=labels)
    if found.detections.ids is None:
        raise TypeError("detections lost the ids that they were given")
    own = tuple(origins[index] for index in found.detections.ids)
    return Search(found, own, evidence if len(views) == 1 else None)


def _detections(
    candidates: Candidates,
    rows: Tensor,
    label_ids: Tensor,
    ids: NDArray[np.int64],
    network: nn.Module,
    family: DetectorFamily,
) -> Detections:
    masks = None
    if family.mask_head is not None:
        rois = candidates.rois_of(rows, label_ids)
        masks = torch.zeros(0, 1, 1)
        if len(rows):
            with torch.no_grad():
                masks = family.mask_head(network, candidates.features, rois, label_ids)
    return as_detections(candidates, rows, label_ids, masks=masks, ids=ids)
