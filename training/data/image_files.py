"""Image files of a folder, and their sizes as the server will see them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from inference.errors import UsageError
from inference.image import FORMATS, SUFFIXES

_EXIF_ORIENTATION = 0x0112
_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
_TURNED_BY_A_QUARTER = frozenset({5, 6, 7, 8})


def is_image(path: Path) -> bool:
    """Whether a file is there whose suffix is that of an image."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def visible(folder: Path) -> list[Path]:
    """Entries of a folder, sorted, without the hidden ones that file managers leave behind.

    Raises UsageError when the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror}") from None


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders, sorted, without hidden ones."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def image_of_stem(folder: Path, stem: str) -> Path | None:
    """Find the image of this name before its suffix."""
    candidates = (folder / f"{stem}{suffix}" for suffix in sorted(SUFFIXES))
    return next((path for path in candidates if path.is_file()), None)


def refuse_splits(source: Path, folders: Sequence[Path]) -> None:
    """Raise UsageError where all folders are named after splits."""
    if folders and all(folder.name.lower() in _SPLITS for folder in folders):
        names = ", ".join(folder.name for folder in folders)
        raise UsageError(
            f"{source} is split already ({names}); convert each of these folders by itself"
        )


def image_size_hw(path: Path) -> tuple[int, int]:
    """Height and width in pixels of the upright image, from the file's header.

    Raises ValueError when there is no such file or its header is none of an image.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(_EXIF_ORIENTATION) in _TURNED_BY_A_QUARTER
    except FileNotFoundError:
        raise ValueError(f"the image {path} does not exist") from None
    except Exception as error:  # damaged headers make Pillow raise nearly anything
        raise ValueError(f"the image {path} cannot be read: {error}") from None
    return (width, height) if turned else (height, width)
