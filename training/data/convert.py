"""Other layouts of labelled images to JSON lines; the images stay where they are."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.errors import UsageError
from inference.image import SUFFIXES
from training.data.csv_rows import read_csv_rows
from training.data.records import Dropped, Label
from training.data.write_table import write_table

_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
Pair = tuple[Path, Label]


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What was written to `jsonl`, and what was not and why."""

    jsonl: Path
    images: int
    images_per_class: Mapping[str, int]
    skipped: tuple[Dropped, ...]


def convert_folder(source: Path, output: Path) -> ConversionReport:
    """Convert one folder per class to multi-class labels; below it, subfolders do not matter.

    `output` is a .jsonl file or a folder that becomes an MLTable. Raises UsageError when there is
    no class folder with images or nothing can be written.
    """
    folders = sorted(path for path in _visible(source) if path.is_dir())
    _refuse_splits(source, folders)
    pairs: list[Pair] = []
    skipped = [
        Dropped(str(source), str(path), "lies in no class folder")
        for path in _visible(source)
        if _is_image(path)
    ]
    for folder in folders:
        files = list(_files_below(folder))
        pairs += [(path, folder.name) for path in files if _is_image(path)]
        skipped += _unusable(folder, files)
    if not pairs:
        raise UsageError(
            f"{source} must hold one folder per class with images in it "
            f"({', '.join(sorted(SUFFIXES))}), found {len(folders)} folders and no image in them"
        )
    return _report(output, pairs, skipped)


def convert_csv(
    source: Path,
    output: Path,
    *,
    image_column: str = "image",
    label_column: str = "label",
    separator: str | None = None,
) -> ConversionReport:
    """Convert a CSV file with a header; image paths are relative to the file.

    Multi-class, unless `separator` splits a label into several (an empty one is then an image
    without classes) or several columns are named `label_column`. Raises UsageError when a column
    is missing or no row can be used.
    """
    pairs: list[Pair] = []
    skipped: list[Dropped] = []
    for row in read_csv_rows(
        source, image_column=image_column, label_column=label_column, separator=separator
    ):
        image = source.parent / row.image
        if not row.image or not image.is_file():
            skipped.append(Dropped(row.where, row.image, f"the image {image} does not exist"))
        elif row.label == "":
            skipped.append(Dropped(row.where, row.image, "the label is empty"))
        else:
            pairs.append((image, row.label))
    if not pairs:
        first = f", first {skipped[0].where}: {skipped[0].reason}" if skipped else ""
        raise UsageError(f"{source}: none of its {len(skipped)} rows can be used{first}")
    return _report(output, pairs, skipped)


def _report(output: Path, pairs: Sequence[Pair], skipped: Sequence[Dropped]) -> ConversionReport:
    labels = [(label,) if isinstance(label, str) else label for _, label in pairs]
    return ConversionReport(
        jsonl=write_table(output, pairs),
        images=len(pairs),
        images_per_class=dict(sorted(Counter(name for row in labels for name in row).items())),
        skipped=tuple(skipped),
    )


def _refuse_splits(source: Path, folders: Sequence[Path]) -> None:
    if folders and all(folder.name.lower() in _SPLITS for folder in folders):
        names = ", ".join(folder.name for folder in folders)
        raise UsageError(
            f"{source} is split already ({names}); convert each of these folders by itself"
        )


def _unusable(folder: Path, files: Sequence[Path]) -> Iterator[Dropped]:
    for path in files:
        if not _is_image(path):
            yield Dropped(str(folder), str(path), "is not an image by its suffix")
    if not any(map(_is_image, files)):
        yield Dropped(str(folder), "", "is a class folder without images")


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _visible(folder: Path) -> list[Path]:
    """Entries of a folder without the hidden ones that file managers leave behind."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror}") from None


def _is_image(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES
