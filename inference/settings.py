"""settings.json: what a user may change between training and registering a model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from inference.errors import BadRequest, ModelFolderError
from inference.files import read_json, write_text_atomically
from inference.names import settings_name, unknown_name
from inference.tiling import readable_grid
from inference.types import CLASSIFICATION_TASKS, Task
from inference.validation import describe

LABEL_THRESHOLD = 0.5  # multi-label: a label counts as predicted from this probability on
CanvasKind = Literal["short_side", "letterbox"]
_AsText = BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
TileGrid = Annotated[str, _AsText, AfterValidator(readable_grid)]  # YAML reads 0x0 as a number
_Share = Annotated[float, Field(ge=0, le=1)]
_Upper = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)


def check_sides(min_size: int, max_size: int) -> None:
    """Raise ValueError where the longest side is shorter than the short one."""
    if max_size < min_size:
        raise ValueError(f"max_size must be at least min_size ({min_size}), got {max_size}")


class Settings(BaseModel):
    """What all tasks have in common: values are checked, and a request may replace some of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    OF_THE_MODEL: ClassVar[frozenset[str]] = frozenset()  # a request cannot change these

    @classmethod
    def overridable(cls) -> frozenset[str]:
        """Names that a request may give."""
        return frozenset(cls.model_fields) - cls.OF_THE_MODEL

    def overridden(self, values: Mapping[str, Any]) -> Self:
        """Replace what `values`, under either vocabulary, name; the others stay.

        Raises BadRequest that names the key for an unknown one, one that belongs to the model, and
        a value out of range.
        """
        named = {settings_name(key): value for key, value in values.items()}
        for key in named:
            if key not in self.overridable():
                raise BadRequest(self._refusal(key))
        try:
            return type(self)(**{**self.model_dump(), **named})
        except ValidationError as error:
            raise BadRequest(f"settings.{describe(error, type(self))}") from None

    def _refusal(self, key: str) -> str:
        allowed = self.overridable()
        if not allowed:
            return "settings: a classifier has none that a request can override"
        if key in self.OF_THE_MODEL:
            return (
                f"settings: {key} belongs to the model and cannot be set per request "
                f"(allowed: {', '.join(sorted(allowed))})"
            )
        return f"settings: {unknown_name('key', key, allowed)}"


class ClassificationSettings(Settings):
    """Both classification tasks: short side after resizing and side of the crop, in pixels."""

    OF_THE_MODEL = frozenset({"valid_resize_size", "valid_crop_size"})

    valid_resize_size: int = Field(256, ge=8, le=4096)
    valid_crop_size: int = Field(224, ge=8, le=4096)

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.valid_crop_size > self.valid_resize_size:
            raise ValueError(
                f"valid_crop_size must be at most valid_resize_size ({self.valid_resize_size}), "
                f"got {self.valid_crop_size}"
            )
        return self


class MultilabelSettings(ClassificationSettings):
    """Multi-label: also the probability from which on a label counts.

    Answers hold every label with its probability; a client compares, and explanations are of the
    labels that reach it. Azure's file has no such key, so that only a tuned one is written.
    """

    OF_THE_MODEL = ClassificationSettings.OF_THE_MODEL | {"confidence_score_threshold_multilabel"}

    confidence_score_threshold_multilabel: float = Field(
        LABEL_THRESHOLD, ge=0, le=1, exclude_if=lambda threshold: threshold == LABEL_THRESHOLD
    )


class DetectionSettings(Settings):
    """Every detector: which of its boxes are kept, and how an image is cut into tiles.

    tile_grid_size is "3x2" (3 across, 2 down), "auto", or None for no tiles.
    """

    OF_THE_MODEL = frozenset({"min_size", "max_size", "img_size", "model_size"})

    box_score_thresh: _Share = 0.3
    nms_iou_thresh: _Share = 0.5
    box_detections_per_img: int = Field(100, ge=1, le=1000)
    tile_grid_size: TileGrid | None = None
    tile_overlap_ratio: float = Field(0.25, ge=0, lt=1)
    tile_predictions_nms_thresh: _Share = 0.25


class ShortSideSettings(DetectionSettings):
    """Detectors that see images of any shape: their short side in pixels, and the longest side."""

    min_size: int = Field(600, ge=32, le=4096)
    max_size: int = Field(1333, ge=32, le=8192)

    @model_validator(mode="after")
    def _sides_are_in_order(self) -> Self:
        check_sides(self.min_size, self.max_size)
        return self


class LetterboxSettings(DetectionSettings):
    """Detectors that see a square of side img_size pixels, a multiple of 32."""

    img_size: int = Field(640, ge=32, le=4096, multiple_of=32)
    model_size: str | None = None


class SegmentationSettings(ShortSideSettings):
    """Instance segmentation: from which probability a pixel belongs, and the form of the masks."""

    mask_pixel_score_threshold: _Share = 0.5
    max_number_of_polygon_points: int = Field(100, ge=3, le=10_000)
    export_as_image: bool = False
    image_type: Annotated[Literal["JPG", "PNG", "BMP"], _Upper] = "JPG"


_Kind = TypeVar("_Kind", bound=Settings)


def settings_of(settings: Settings, kind: type[_Kind]) -> _Kind:
    """Narrow settings to the kind that a task has. Raises TypeError for another task's."""
    if not isinstance(settings, kind):
        raise TypeError(f"{kind.__name__} are needed, got {type(settings).__name__}")
    return settings


def settings_class(task: Task, canvas: CanvasKind | None = None) -> type[Settings]:
    """Return the class of settings of a task, for detectors by how they lay out images."""
    if task in CLASSIFICATION_TASKS:
        return MultilabelSettings if task is Task.MULTILABEL else ClassificationSettings
    if task is Task.SEGMENTATION:
        return SegmentationSettings
    return LetterboxSettings if canvas == "letterbox" else ShortSideSettings


def label_threshold(settings: Settings) -> float:
    """From which probability on a label counts, for a multi-label model of these settings."""
    if isinstance(settings, MultilabelSettings):
        return settings.confidence_score_threshold_multilabel
    return LABEL_THRESHOLD


def read_settings(path: Path, cls: type[Settings]) -> Settings:
    """Read settings.json, under either vocabulary.

    Raises ModelFolderError that names the file and the key for unknown keys and bad values.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise ModelFolderError(f"{path}: must hold a JSON object, got {type(values).__name__}")
    try:
        return cls(**{settings_name(key): value for key, value in values.items()})
    except ValidationError as error:
        raise ModelFolderError(f"{path}: {describe(error, cls)}") from None


def write_settings(path: Path, settings: Settings) -> None:
    """Write settings.json, flat and under Azure's names."""
    write_text_atomically(path, json.dumps(settings.model_dump(), indent=2) + "\n")
