"""settings.json: what a user may change between training and registering a model."""

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inference.errors import ModelFolderError
from inference.files import read_json, write_text_atomically
from inference.names import settings_name
from inference.types import CLASSIFICATION_TASKS, Task
from inference.validation import describe


class ClassificationSettings(BaseModel):
    """Both classification tasks: short side after resizing and side of the crop, in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

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


Settings = ClassificationSettings


def settings_class(task: Task) -> type[Settings]:
    """Return the class of settings that a task has."""
    if task not in CLASSIFICATION_TASKS:
        raise ModelFolderError(f"task {task.value} has no settings in this version")
    return ClassificationSettings


def read_settings(path: Path, task: Task) -> Settings:
    """Read settings.json, under either vocabulary.

    Raises ModelFolderError that names the file and the key for unknown keys and bad values.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise ModelFolderError(f"{path}: must hold a JSON object, got {type(values).__name__}")
    cls = settings_class(task)
    try:
        return cls(**{settings_name(key): value for key, value in values.items()})
    except ValidationError as error:
        raise ModelFolderError(f"{path}: {describe(error, cls)}") from None


def write_settings(path: Path, settings: Settings) -> None:
    """Write settings.json, flat and under Azure's names."""
    write_text_atomically(path, json.dumps(settings.model_dump(), indent=2) + "\n")
