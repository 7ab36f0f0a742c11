"""Pascal VOC (one XML file per image) to JSON lines of detection."""

from collections.abc import Iterator
from pathlib import Path

from inference.errors import UsageError
from training.data.conversion import ConversionReport, Pair, write_conversion
from training.data.image_files import image_of_stem, is_image, visible
from training.data.pixel_objects import box_object, frame_hw
from training.data.records import Dropped
from training.data.voc_files import VocFile, read_voc


def convert_voc(source: Path, output: Path, *, images: Path | None = None) -> ConversionReport:
    """Convert a folder with Annotations/ and JPEGImages/, or with XML files beside the images.

    `images` is where they are if elsewhere. Coordinates count from 0, as labelling tools write
    them. `difficult` objects, which VOC's evaluation leaves out, become crowds. An XML file
    without objects is a negative; an image without one was not labelled and is left out. Raises
    UsageError when there is no XML file or nothing can be used.
    """
    annotations = source / "Annotations" if (source / "Annotations").is_dir() else source
    beside = source / "JPEGImages" if annotations != source else source
    files = [path for path in visible(annotations) if path.suffix.lower() == ".xml"]
    if not files:
        raise UsageError(f"{annotations} must hold XML files of Pascal VOC, found none")
    return write_conversion(source, output, _rows(files, images or beside))


def _rows(files: list[Path], folder: Path) -> Iterator[Pair | Dropped]:
    labelled = set()
    for path in files:
        try:
            content = read_voc(path)
            image = _find_image(folder, content.filename, path.stem)
            labelled.add(image)
            yield from _image_rows(path, image, content)
        except ValueError as error:
            yield Dropped(str(path), str(path), str(error))
    for image in visible(folder):
        if is_image(image) and image not in labelled:
            yield Dropped(str(folder), str(image), "has no XML file")


def _find_image(folder: Path, filename: str, stem: str) -> Path:
    """Edited data sets often have XML files whose `filename` lacks its suffix or is an old name."""
    named = folder / filename
    image = named if is_image(named) else image_of_stem(folder, stem)
    if image is None:
        raise ValueError(f"there is neither an image {named} nor one named {stem} in {folder}")
    return image


def _image_rows(path: Path, image: Path, content: VocFile) -> Iterator[Pair | Dropped]:
    size_hw = frame_hw(image, stated_hw=content.size_hw)
    yield from (Dropped(str(path), str(path), problem) for problem in content.problems)
    objects = []
    for item in content.objects:
        try:
            objects.append(
                box_object(item.name, item.box_xyxy, size_hw=size_hw, is_crowd=item.is_difficult)
            )
        except ValueError as error:
            yield Dropped(str(path), str(path), f"{item.name}: {error}")
    yield image, tuple(objects)
