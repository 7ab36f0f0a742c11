"""COCO's annotation file, checked: the keys that matter here, whatever else is in it."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inference.errors import UsageError
from inference.validation import describe

Id = int | str
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class CocoImage(_Part):
    """One image; its size in pixels may be missing."""

    id: Id
    file_name: str
    width: int = 0
    height: int = 0


class Rle(_Part):
    """Runs of a mask, column by column: lengths, or their text. size is (height, width)."""

    size: tuple[int, int]
    counts: list[int] | str


class CocoAnnotation(_Part):
    """One object: bbox (x, y, width, height) in pixels, segmentation rings in pixels or runs."""

    id: Id | None = None
    image_id: Id
    category_id: Id
    bbox: tuple[_Number, _Number, _Number, _Number] | None = None
    segmentation: list[list[_Number]] | Rle | None = None
    iscrowd: bool = False


class CocoCategory(_Part):
    """One class."""

    id: Id
    name: str


class CocoDataset(_Part):
    """An annotation file: images, their objects, classes."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


def read_coco(path: Path) -> CocoDataset:
    """Read an annotation file. Raises UsageError, one line, for a file that is none."""
    try:
        return CocoDataset.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        raise UsageError(
            f"{path} is no COCO file of images, annotations and categories: "
            f"{describe(error, CocoDataset)}"
        ) from None
