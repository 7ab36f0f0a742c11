"""The model folder: the one contract between training and everything that uses a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inference.errors import ModelFolderError
from inference.files import read_json, sha256_of, write_text_atomically
from inference.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Interpolation,
    ResizeMode,
    normalize,
    resize_and_crop,
)
from inference.settings import (
    CanvasKind,
    ClassificationSettings,
    LetterboxSettings,
    Settings,
    read_settings,
    settings_class,
)
from inference.types import Task
from inference.validation import describe

SCHEMA_VERSION = 1
SETTINGS_FILE = "settings.json"
FACTS_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"
MASKS_FILE = "masks.onnx"  # the mask head, for the boxes that were chosen


class Preprocessing(BaseModel):
    """How a classifier's images are resized, and all normalised: (pixel / 255 - mean) / std."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    resize: ResizeMode = Field(
        default="short_side", description="which side becomes valid_resize_size; whole: both do"
    )
    interpolation: Interpolation = "bilinear"

    def crop(
        self, image_rgb: NDArray[np.uint8], *, resize_size: int, crop_size: int
    ) -> NDArray[np.uint8]:
        """Cut out of an image (H, W, 3) what a classifier sees of it: (crop_size, crop_size, 3)."""
        return resize_and_crop(
            image_rgb,
            resize_size=resize_size,
            crop_size=crop_size,
            mode=self.resize,
            interpolation=self.interpolation,
        )

    def normalized(self, images_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, H, W, 3) uint8 to (N, 3, H, W) float32."""
        return normalize(images_nhwc, mean=self.mean, std=self.std)


IMAGENET = Preprocessing()


class ModelFacts(BaseModel):
    """model.json: what was built and where it came from; nothing here is for users to change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int
    task: Task
    family: str
    image_size: int = Field(description="side in pixels that the network was built for")
    fixed_size: bool = Field(
        default=False, description="whether it takes images of that size alone"
    )
    canvas: CanvasKind | None = Field(default=None, description="how a detector lays out images")
    options: dict[str, Any] = Field(
        default={}, description="what the family builds the network from"
    )
    object_px: float | None = Field(
        default=None, description="side in pixels of a small object, for auto tiles"
    )
    labels: tuple[str, ...] = Field(min_length=1, description="in the order of the outputs")
    preprocessing: Preprocessing
    files: dict[str, str] = Field(description="file name to SHA-256")
    metrics: dict[str, float] = {}
    provenance: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder that was read and checked; weights and graph stay on disk."""

    path: Path
    facts: ModelFacts
    settings: Settings

    @property
    def weights_path(self) -> Path:
        """The safetensors file."""
        return self.path / WEIGHTS_FILE

    @property
    def onnx_path(self) -> Path:
        """The ONNX graph."""
        return self.path / ONNX_FILE

    @property
    def masks_path(self) -> Path:
        """The ONNX graph of the mask head."""
        return self.path / MASKS_FILE


def open_model_folder(path: Path) -> ModelFolder:
    """Read model.json and settings.json and verify every file's hash.

    Raises ModelFolderError when something is missing, damaged or written by a newer version, and
    when the settings ask for what the network cannot do.
    """
    if not path.is_dir():
        raise ModelFolderError(f"model folder {path} does not exist")
    facts = _read_facts(path / FACTS_FILE)
    for name, expected in facts.files.items():
        _check_hash(path / name, expected)
    settings = read_settings(path / SETTINGS_FILE, settings_class(facts.task, facts.canvas))
    _check_against_facts(path / SETTINGS_FILE, facts, settings)
    return ModelFolder(path, facts, settings)


def write_facts(path: Path, facts: ModelFacts) -> None:
    """Write model.json into the model folder `path`."""
    write_text_atomically(path / FACTS_FILE, facts.model_dump_json(indent=2) + "\n")


def _read_facts(path: Path) -> ModelFacts:
    values = read_json(path)
    version = values.get("schema_version") if isinstance(values, dict) else None
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ModelFolderError(
            f"{path}: schema_version must be 1…{SCHEMA_VERSION}, got {version!r}; "
            "a newer version of this program may have written it"
        )
    try:
        return ModelFacts.model_validate(values)
    except ValidationError as error:
        raise ModelFolderError(f"{path}: {describe(error, ModelFacts)}") from None


def _check_against_facts(path: Path, facts: ModelFacts, settings: Settings) -> None:
    if isinstance(settings, ClassificationSettings):
        if facts.fixed_size and settings.valid_crop_size != facts.image_size:
            raise ModelFolderError(
                f"{path}: valid_crop_size must be {facts.image_size} for {facts.family}, whose "
                f"patches have fixed places, got {settings.valid_crop_size}"
            )
    elif isinstance(settings, LetterboxSettings):
        built = facts.options.get("model_size")
        if settings.model_size not in (None, built):
            raise ModelFolderError(
                f"{path}: model_size must be {built!r}, as the weights are, "
                f"got {settings.model_size!r}"
            )


def _check_hash(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ModelFolderError(f"{path} is missing from the model folder")
    if sha256_of(path) != expected:
        raise ModelFolderError(
            f"{path} does not match its SHA-256 in {FACTS_FILE}: it is damaged or was replaced"
        )
