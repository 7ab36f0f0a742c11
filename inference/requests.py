"""The JSON of a scoring request to images and parameters; a bad image is a value, not an end."""

import binascii
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import pybase64
from pydantic import BaseModel, ValidationError

from inference.errors import BadImage, BadRequest, InputError, TooLarge
from inference.schema import ManyImages, SingleImage, XaiParameters
from inference.settings import Settings
from inference.validation import describe

MAX_IMAGES = 64

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image file, the settings it is scored with, and how to explain it, or None if not."""

    image: bytes
    settings: Settings
    explain: XaiParameters | None = None


def parse_request(
    body: bytes, *, settings: Settings, max_images: int = MAX_IMAGES
) -> list[ImageRequest | InputError]:
    """Parse either JSON form into one entry per image; an image's own fault takes its place.

    `settings` are the model's; a request's own replace some of them, and those of one image again.
    Raises BadRequest when the request as a whole makes no sense and TooLarge for more than
    `max_images` images.
    """
    values = _parse_json(body, "the body")
    if not isinstance(values, dict):
        raise BadRequest(f"the body must be a JSON object, got {_kind(values)}")
    if "input_data" not in values:
        return [_single(values, settings)]
    request = _validate(ManyImages, values)
    data = request.input_data.data
    if len(data) > max_images:
        raise TooLarge(f"at most {max_images} images fit into one request, got {len(data)}")
    settings = settings.overridden(request.settings) if request.settings else settings
    return [_element(element, settings) for element in data]


def _element(element: Any, settings: Settings) -> ImageRequest | InputError:
    """Read one element of `data`: base64, an object as a JSON string, or a list of one of them."""
    try:
        if isinstance(element, list):
            if len(element) != 1:
                raise BadRequest(f"a row of data must hold 1 element, got {len(element)}")
            (element,) = element
        if isinstance(element, str) and element.lstrip().startswith("{"):
            element = _parse_json(element, "the JSON string in data")
        if isinstance(element, str):
            return ImageRequest(decode_base64(element), settings)
        if isinstance(element, dict):
            return _single(element, settings)
        raise BadRequest(
            f"an element of data must be base64 text or a JSON string, got {_kind(element)}"
        )
    except InputError as error:
        return error


def _single(values: dict[str, Any], settings: Settings) -> ImageRequest:
    request = _validate(SingleImage, values)
    image = decode_base64(request.image_base64)
    settings = settings.overridden(request.settings) if request.settings else settings
    if not request.model_explainability:
        return ImageRequest(image, settings)
    return ImageRequest(image, settings, request.xai_parameters or XaiParameters())


def _parse_json(text: bytes | str, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:  # its text holds line and column
        raise BadRequest(f"{what} is not valid JSON: {error}") from None


def _validate(model: type[_Model], values: dict[str, Any]) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise BadRequest(describe(error, model)) from None


def decode_base64(text: str) -> bytes:
    """Decode base64 text, line breaks allowed. Raises BadImage where it holds anything else."""
    try:
        return _decoded(text)
    except (binascii.Error, ValueError) as error:
        raise BadImage(f"the image is not valid base64: {error}") from None


def _decoded(text: str) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except binascii.Error:  # base64.encodebytes breaks lines
        return pybase64.b64decode("".join(text.split()), validate=True)


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
