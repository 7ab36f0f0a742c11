"""What goes back over the wire and into result files: Azure's bodies, and one shape of errors."""

import base64
from typing import Any

import numpy as np
import orjson

from inference.errors import SightlineError
from inference.types import ClassScores, ObjectsFound


def result_body(result: ClassScores | ObjectsFound) -> dict[str, Any]:
    """Azure's body of one image; probabilities stay a float32 array, in label order."""
    if isinstance(result, ObjectsFound):
        return {"boxes": [_object(result, index) for index in range(len(result.detections))]}
    return {"probs": result.probs, "labels": result.labels}


def _object(found: ObjectsFound, index: int) -> dict[str, Any]:
    """One detection: ratios of the image's width and height, label, score, and its outline."""
    height, width = found.size_hw
    detections = found.detections
    box = detections.boxes_xyxy[index].astype(np.float64) / (width, height, width, height)
    body = {
        "box": dict(zip(("topX", "topY", "bottomX", "bottomY"), box.tolist(), strict=True)),
        "label": found.labels[detections.label_ids[index]],
        "score": detections.scores[index],
    }
    if found.outlines is None:
        return body
    outline = found.outlines[index]
    if isinstance(outline, bytes):
        return {**body, "mask": base64.b64encode(outline).decode()}
    rings = [(np.reshape(ring, (-1, 2)) / (width, height)).ravel() for ring in outline]
    return {**body, "polygon": [ring.round(6).tolist() for ring in rings]}


def error_body(error: SightlineError, *, image_index: int | None = None) -> dict[str, Any]:
    """The one shape of errors. `image_index` is null when the whole request is meant."""
    return {"error": {**_code_and_message(error), "image_index": image_index}}


def explanation_error_body(error: SightlineError) -> dict[str, Any]:
    """What stands beside the scores when their explanation is missing."""
    return {"explanation_error": _code_and_message(error)}


def dump_json(body: Any) -> bytes:
    """Serialise a body, NumPy arrays included; float32 in its own shortest digits."""
    return orjson.dumps(body, default=_contiguous, option=orjson.OPT_SERIALIZE_NUMPY)


def _contiguous(value: Any) -> Any:
    """Give orjson, which takes only C-contiguous arrays, the lists of all others."""
    return value.tolist()


def _code_and_message(error: SightlineError) -> dict[str, str]:
    return {"code": error.code, "message": str(error)}
