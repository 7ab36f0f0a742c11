"""YOLO's text files (one per image, a line per object) to JSON lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from inference.errors import UsageError
from training.data.conversion import ConversionReport, Pair, write_conversion
from training.data.image_files import files_below, image_size_hw, is_image, refuse_splits, visible
from training.data.label_values import class_name, ratio
from training.data.pixel_objects import box_object, polygon_object
from training.data.records import Dropped, ObjectLabel
from training.job_yaml import read_yaml

_NAMES_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "labels/classes.txt")


def convert_yolo(source: Path, output: Path, *, names: Path | None = None) -> ConversionReport:
    """Convert a folder with images/ and labels/, or one below it such as images/train.

    The text of images/a/1.jpg is labels/a/1.txt; its lines are "class cx cy w h" or, for
    segmentation, "class x1 y1 x2 y2 x3 y3 …", in ratios. An image without a text file, or with an
    empty one, is a negative. The classes' names come from `names`, or from data.yaml or classes.txt
    in `source` or a folder above. Raises UsageError when a folder or the names are missing, or
    nothing can be used.
    """
    images = source / "images" if (source / "images").is_dir() else source
    refuse_splits(images, [path for path in visible(images) if path.is_dir()])
    labels = _labels_folder(images)
    found = read_names(names or _find_names(images))
    return write_conversion(source, output, _rows(images, labels, found))


def read_names(path: Path) -> dict[int, str]:
    """Class ids and names of a YAML file's `names` (a list, or id: name), or of a text's lines.

    Raises UsageError for a file that holds neither.
    """
    if path.suffix.lower() not in (".yaml", ".yml"):
        names = {number: name for number, name in enumerate(_text_lines(path)) if name}
        if not names:
            raise UsageError(f"{path} must hold one class name per line, it is empty")
        return names
    value = read_yaml(path).get("names")
    listed = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(listed, dict) or not listed or not all(str(k).isdecimal() for k in listed):
        raise UsageError(f"{path}: names must list the classes, or map ids to them, got {value!r}")
    try:
        return {int(key): class_name(name, place=f"names.{key}") for key, name in listed.items()}
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def _labels_folder(images: Path) -> Path:
    """Put labels in the place of the last part of the path that is named images."""
    parts = list(images.absolute().parts)
    if "images" in parts:
        at = len(parts) - 1 - parts[::-1].index("images")
        labels = Path(*parts[:at], "labels", *parts[at + 1 :])
        if labels.is_dir():
            return labels
    raise UsageError(f"{images} must be a folder images with a folder labels beside it")


def _find_names(images: Path) -> Path:
    folders = list(images.absolute().parents)[:3]
    for folder in folders:
        for name in _NAMES_FILES:
            if (folder / name).is_file():
                return folder / name
    raise UsageError(
        f"no file of class names ({', '.join(_NAMES_FILES)}) in {folders[0]} or above; name one"
        " with --names"
    )


def _rows(images: Path, labels: Path, names: dict[int, str]) -> Iterator[Pair | Dropped]:
    used = set()
    for image in filter(is_image, files_below(images)):
        text = labels / image.relative_to(images).with_suffix(".txt")
        used.add(text)
        try:
            size_hw = image_size_hw(image)
            lines = _text_lines(text) if text.is_file() else []
        except (ValueError, UsageError) as error:
            yield Dropped(str(text), str(image), str(error))
            continue
        objects = []
        for number, line in enumerate(lines, start=1):
            try:
                objects += _object(line.split(), names, size_hw)
            except ValueError as error:
                yield Dropped(f"{text}:{number}", f"{text}:{number}", str(error))
        yield image, tuple(objects)
    for text in files_below(labels):
        if text.suffix == ".txt" and text.name != "classes.txt" and text not in used:
            yield Dropped(str(text), str(text), f"there is no image of this name in {images}")


def _object(
    words: Sequence[str], names: dict[int, str], size_hw: tuple[int, int]
) -> list[ObjectLabel]:
    """The object of one line, or none on a blank line."""
    if not words:
        return []
    identifier, *rest = words
    name = _name(identifier, names)
    numbers = [ratio(word, place=f"number {index}") for index, word in enumerate(rest, start=2)]
    pixels = [number * size_hw[1 - index % 2] for index, number in enumerate(numbers)]
    if len(pixels) == 4:
        x, y, width, height = pixels
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return [box_object(name, box, size_hw=size_hw)]
    if len(pixels) < 6 or len(pixels) % 2:
        raise ValueError(
            f"must be 'class cx cy w h' or 'class x1 y1 x2 y2 x3 y3 …', got {len(words)} numbers"
        )
    return [polygon_object(name, [pixels], size_hw=size_hw)]


def _name(identifier: str, names: dict[int, str]) -> str:
    if not identifier.isdecimal() or int(identifier) not in names:
        raise ValueError(
            f"class must be an id of the {len(names)} classes (0…{max(names)}), got {identifier!r}"
        )
    return names[int(identifier)]


def _text_lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
