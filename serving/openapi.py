"""The OpenAPI document of the routes that BentoML does not know, merged into BentoML's own."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from inference.schema import Box, DetectedObject, ManyImages, SingleImage
from serving.http import MAX_DEADLINE_MS

_REF = "#/components/schemas/{model}"
_TAGS = ["Sightline"]
_LIST_PER_CLASS = "a list with one per class if multi-label or with target_classes"


class ErrorDetail(BaseModel):
    """What is wrong, and with which image; null means the request as a whole."""

    code: str
    message: str
    image_index: int | None = None


class ErrorAnswer(BaseModel):
    """The one shape of errors."""

    error: ErrorDetail


class ExplanationError(BaseModel):
    """Why there is no explanation; the scores stand."""

    code: str
    message: str


class Convergence(BaseModel):
    """How well the integral of an explanation was computed."""

    completeness_delta: float = Field(description="Σ attributions - (f(image) - f(baseline))")
    n_steps: int = Field(description="nodes per path")


class ClassScoresAnswer(BaseModel):
    """Scores of one image, in label order, and its explanation if one was asked for."""

    probs: list[float]
    labels: list[str]
    visualizations: str | list[str] | None = Field(
        default=None, description=f"PNG as base64; {_LIST_PER_CLASS}"
    )
    attributions: str | list[Any] | None = Field(
        default=None, description=f"[3, crop, crop], or base64 of an .npy file; {_LIST_PER_CLASS}"
    )
    convergence: Convergence | list[Convergence] | None = Field(
        default=None, description=f"of return_delta and n_steps auto; {_LIST_PER_CLASS}"
    )
    explained_classes: list[str] | None = Field(
        default=None, description="if target_classes names some: the same names"
    )
    explanation_error: ExplanationError | None = None


class ExplainedBox(BaseModel):
    """Which of the boxes is explained: its place, and what was found there."""

    index: int
    box: Box
    label: str
    score: float


class DetectionsAnswer(BaseModel):
    """Objects of one image, the most probable first; none is an empty list."""

    boxes: list[DetectedObject]
    visualizations: list[str | None] | None = Field(
        default=None, description="PNG as base64 for each box, null where it is not explained"
    )
    attributions: list[Any] | None = Field(
        default=None,
        description="[h, w] of the image's shape, or base64 of it, for each box, or null",
    )
    explained_boxes: list[ExplainedBox] | None = None
    explanation_error: ExplanationError | None = None


# BentoML's own page loads a tag manager from the net; this one shows the same without it.
SWAGGER_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="UTF-8">
  <title>Sightline</title>
  <link rel="stylesheet" href="./static_content/swagger-ui.css">
  <link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="./static_content/swagger-ui-bundle.js"></script>
  <script src="./static_content/swagger-ui-standalone-preset.js"></script>
  <script src="./static_content/swagger-initializer.js"></script>
</body>
</html>
"""

_MODELS: Sequence[type[BaseModel]] = (
    SingleImage,
    ManyImages,
    ClassScoresAnswer,
    DetectionsAnswer,
    ErrorAnswer,
)


_DEADLINE = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "description": "Milliseconds after which nobody waits for the answer",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_DEADLINE_MS},
}
_BEARER = {"key": {"type": "http", "scheme": "bearer"}}


def document(base: Mapping[str, Any], *, image_types: Sequence[str]) -> dict[str, Any]:
    """Add /score and /info to the document `base`; `image_types` may be posted as raw bytes."""
    components = base.get("components", {})
    schemas = {**components.get("schemas", {}), **_schemas()}
    return {
        **base,
        "paths": {
            **base["paths"],
            "/score": {"post": _score(image_types)},
            "/info": {"get": _info()},
        },
        "components": {**components, "schemas": schemas, "securitySchemes": _BEARER},
        "security": [{}, {"key": []}],
        "tags": [{"name": name} for name in _TAGS] + list(base.get("tags", [])),
    }


def _schemas() -> dict[str, Any]:
    mode: Literal["validation"] = "validation"
    _, definitions = models_json_schema([(model, mode) for model in _MODELS], ref_template=_REF)
    return dict(definitions["$defs"])


def _score(image_types: Sequence[str]) -> dict[str, Any]:
    either = [_reference(SingleImage), _reference(ManyImages)]
    binary = {"schema": {"type": "string", "format": "binary"}}
    answers = (ClassScoresAnswer, DetectionsAnswer, ErrorAnswer)
    answer = {"anyOf": [_reference(model) for model in answers]}
    refusals = {
        "400": "The request or the image is wrong",
        "401": "The server has keys, and the request has none of them",
        "408": "The body did not arrive in time",
        "413": "Body, pixels or number of images over the limit",
        "415": "A content type or an image format that is not served",
        "429": "The queue is full; Retry-After says when to come back",
        "504": "X-Deadline-Ms passed before the images were scored",
    }
    return {
        "tags": _TAGS,
        "operationId": "score",
        "summary": "Score images, and show which pixels decided",
        "parameters": [_DEADLINE],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": either}},
                **dict.fromkeys(image_types, binary),
            },
        },
        "responses": {
            "200": _json("One element per image, in order", {"type": "array", "items": answer}),
            **{code: _json(text, _reference(ErrorAnswer)) for code, text in refusals.items()},
        },
    }


def _info() -> dict[str, Any]:
    return {
        "tags": _TAGS,
        "operationId": "info",
        "summary": "Task, labels, settings, engine, limits and versions of what is served",
        "responses": {"200": _json("What this server runs", {"type": "object"})},
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _json(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
