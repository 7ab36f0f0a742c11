"""What an explanation of a detector's answer is, and how it looks on the wire."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.responses import result_body
from inference.schema import XaiParameters
from inference.types import ObjectsFound
from xai.detection.picture import object_png
from xai.detection.placing import reduced_hw
from xai.encoding import encoded

_SENT_SIDE = 256  # of maps on the wire: a feature map has fewer cells


@dataclass(frozen=True, slots=True, eq=False)
class DetectorExplanation:
    """Which pixels made a detector report each object of one image.

    image_rgb (h, w, 3): the whole image, reduced; found: all objects, in pixels of the image as it
    was sent; explained: places in `found`, rising; maps: (h, w) float32 ≥ 0 for each of them.
    """

    image_rgb: NDArray[np.uint8]
    found: ObjectsFound
    explained: tuple[int, ...]
    maps: tuple[NDArray[np.float32], ...]

    def __post_init__(self) -> None:
        size_hw = self.image_rgb.shape[:2]
        shapes = [map_.shape for map_ in self.maps]
        if shapes != [size_hw] * len(self.explained):
            raise ValueError(
                f"maps must have shape {size_hw} for each of the {len(self.explained)} explained "
                f"boxes, got {shapes}"
            )


def detector_body(explanation: DetectorExplanation, parameters: XaiParameters) -> dict[str, Any]:
    """The keys of the answer, in Azure's words as far as it has some.

    "visualizations": per box of the answer, in the order of its "boxes", a base64 PNG of the whole
    image at up to 640 pixels with the map over it and the object outlined, or null if the box is
    not explained. "attributions": the same with the map, an array (h, w) float32 ≥ 0 that covers
    the whole image at up to 256 pixels, or base64 of it. "explained_boxes": {"index", "box",
    "label", "score"} of each explained box, to check by: the explainer finds the boxes itself, in
    float32, and a faster engine may order two equal scores otherwise.
    """
    body: dict[str, list[Any]] = {}
    count = len(explanation.found.detections)
    if parameters.visualizations:
        pictures = [b64encode(png).decode("ascii") for png in object_pngs(explanation)]
        body["visualizations"] = _at(explanation.explained, pictures, count)
    if parameters.attributions:
        encoding = parameters.attributions_encoding
        maps = [encoded(_reduced(map_), encoding) for map_ in explanation.maps]
        body["attributions"] = _at(explanation.explained, maps, count)
    boxes = result_body(explanation.found)["boxes"]
    body["explained_boxes"] = [
        {"index": index, **{key: boxes[index][key] for key in ("box", "label", "score")}}
        for index in explanation.explained
    ]
    return body


def object_pngs(explanation: DetectorExplanation) -> list[bytes]:
    """Draw one picture per explained box."""
    found = explanation.found
    height, width = explanation.image_rgb.shape[:2]
    scale_xy = np.array([width / found.size_hw[1], height / found.size_hw[0]])
    return [
        object_png(
            explanation.image_rgb,
            map_,
            box_xyxy=(found.detections.boxes_xyxy[index] * np.tile(scale_xy, 2)).tolist(),
            rings=[
                (np.reshape(ring, (-1, 2)) * scale_xy).ravel().tolist()
                for ring in _rings(found, index)
            ],
        )
        for index, map_ in zip(explanation.explained, explanation.maps, strict=True)
    ]


def _rings(found: ObjectsFound, index: int) -> Sequence[Sequence[float]]:
    outline = () if found.outlines is None else found.outlines[index]
    return () if isinstance(outline, bytes) else outline


def _at(places: Sequence[int], values: Sequence[Any], count: int) -> list[Any]:
    """Spread values over a list of `count`, null elsewhere."""
    spread: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return spread


def _reduced(map_hw: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = reduced_hw(map_hw.shape, longest=_SENT_SIDE)
    return np.asarray(cv2.resize(map_hw, (width, height), interpolation=cv2.INTER_AREA))
