"""Between our data and what torchvision's detectors take and give."""

from collections.abc import Sequence

from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from inference.candidates import BoxTargets, Candidates

OUTPUTS = ("boxes", "scores", "image_ids")


def to_candidates(outputs: Sequence[Tensor]) -> Candidates:
    """Name the outputs: boxes (M, B, 4), scores (M, C), image ids (M,), maps if there are any."""
    boxes_xyxy, scores, image_ids, *features = outputs
    return Candidates(image_ids, boxes_xyxy, scores, tuple(features))


def to_images(canvases: Tensor) -> ImageList:
    """Canvases (N, 3, H, W) as images that fill them."""
    return ImageList(canvases, [tuple(canvases.shape[-2:])] * len(canvases))


def to_truth(targets: Sequence[BoxTargets], *, first_label: int) -> list[dict[str, Tensor]]:
    """Targets as torchvision's losses read them; its classes begin at `first_label`."""
    truth = []
    for target in targets:
        of_image = {"boxes": target.boxes_xyxy, "labels": target.label_ids + first_label}
        masks = {} if target.masks is None else {"masks": target.masks}
        truth.append(of_image | masks)
    return truth
