"""What goes back over the wire and into result files: Azure's bodies, and one shape of errors."""

from typing import Any

import orjson

from inference.errors import SightlineError
from inference.types import ClassScores


def scores_body(scores: ClassScores) -> dict[str, Any]:
    """Probabilities, kept as a float32 array, and labels; both in label order."""
    return {"probs": scores.probs, "labels": scores.labels}


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
