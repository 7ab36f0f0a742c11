"""Masks drawn as pictures to JSON lines of segmentation."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.errors import UsageError
from training.data.conversion import ConversionReport, Pair, write_conversion
from training.data.image_files import is_image, visible
from training.data.pixel_objects import frame_hw, mask_object
from training.data.records import Dropped, ObjectLabel

_LOSSLESS = frozenset({".png", ".tif", ".tiff", ".bmp"})  # JPEG would change ids
_CLASS_AND_NUMBER = re.compile(r"(.+)_\d+")


def convert_masks(
    source: Path,
    output: Path,
    *,
    images: Path | None = None,
    masks: Path | None = None,
    label: str | None = None,
) -> ConversionReport:
    """Convert source/images and source/masks, or the two folders given.

    With `label`, an image a.jpg has one mask, a.png or a_mask.png, whose pixel values are the ids
    of instances of that class, 0 the background (PennFudan, torchvision's tutorial). Without, it
    has one mask per instance, a_<class>_<number>.png, not 0 where the object is. An image without
    any is a negative in the second layout, and left out in the first. Masks are PNG, TIFF or BMP.
    Raises UsageError when a folder is missing or nothing can be used.
    """
    image_folder, mask_folder = images or source / "images", masks or source / "masks"
    pictures = [path for path in visible(image_folder) if is_image(path)]
    drawn = [path for path in visible(mask_folder) if path.suffix.lower() in _LOSSLESS]
    if not drawn:
        raise UsageError(f"{mask_folder} must hold masks ({', '.join(sorted(_LOSSLESS))})")
    rows = _of_ids(pictures, drawn, label) if label else _of_instances(pictures, drawn)
    return write_conversion(source, output, rows)


def _of_ids(
    pictures: Sequence[Path], drawn: Sequence[Path], label: str
) -> Iterator[Pair | Dropped]:
    masks = {path.stem.removesuffix("_mask"): path for path in drawn}
    for image in pictures:
        mask = masks.pop(image.stem, None)
        if mask is None:
            yield Dropped(str(image), str(image), f"has no mask {image.stem}[_mask].png")
            continue
        try:
            ids = _read_mask(mask, image)
            found = [mask_object(label, ids == number) for number in np.unique(ids[ids > 0])]
        except ValueError as error:
            yield Dropped(str(mask), str(image), str(error))
            continue
        yield image, tuple(found)
    yield from (_without_image(path) for path in masks.values())


def _of_instances(pictures: Sequence[Path], drawn: Sequence[Path]) -> Iterator[Pair | Dropped]:
    stems = {image.stem for image in pictures}
    masks: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path in drawn:
        stem, name = _owner(path.stem, stems)
        if name:
            masks[stem].append((path, name))
        else:
            yield _without_image(path)
    for image in pictures:
        found: list[ObjectLabel] = []
        for path, name in masks[image.stem]:
            try:
                found.append(mask_object(name, _read_mask(path, image) > 0))
            except ValueError as error:
                yield Dropped(str(path), str(path), str(error))
        yield image, tuple(found)


def _owner(mask_stem: str, stems: set[str]) -> tuple[str, str]:
    """The longest image stem that a mask's name begins with, and the class, or two empty texts."""
    parts = mask_stem.split("_")
    for end in range(len(parts) - 1, 0, -1):
        stem, match = "_".join(parts[:end]), _CLASS_AND_NUMBER.fullmatch("_".join(parts[end:]))
        if stem in stems and match:
            return stem, match[1]
    return "", ""


def _read_mask(path: Path, image: Path) -> NDArray[Any]:
    """Read pixel values (h, w). Raises ValueError for pictures in colour and masks that lie."""
    try:
        with Image.open(path) as picture:
            values = np.asarray(picture)
    except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
        raise ValueError(f"the mask {path} cannot be read: {error}") from None
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2:
        raise ValueError(f"the mask {path} must be grey or have a palette, it has colours")
    frame_hw(image, stated_hw=(values.shape[0], values.shape[1]))
    return values


def _without_image(path: Path) -> Dropped:
    return Dropped(str(path), str(path), "is no mask of any image, by its name")
