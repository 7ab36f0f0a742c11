"""Other layouts of labelled images to JSON lines; the images stay where they are."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from inference.errors import UsageError
from inference.image import SUFFIXES
from training.data.conversion import ConversionReport, Pair, write_conversion
from training.data.csv_rows import read_csv_rows
from training.data.image_files import files_below, is_image, refuse_splits, visible
from training.data.records import Dropped


def convert_folder(source: Path, output: Path) -> ConversionReport:
    """Convert one folder per class to multi-class labels; below it, subfolders do not matter.

    `output` is a .jsonl file or a folder that becomes an MLTable. Raises UsageError when there is
    no class folder with images or nothing can be written.
    """
    folders = sorted(path for path in visible(source) if path.is_dir())
    refuse_splits(source, folders)
    pairs: list[Pair] = []
    skipped = [
        Dropped(str(source), str(path), "lies in no class folder")
        for path in visible(source)
        if is_image(path)
    ]
    for folder in folders:
        files = list(files_below(folder))
        pairs += [(path, folder.name) for path in files if is_image(path)]
        skipped += _unusable(folder, files)
    if not pairs:
        raise UsageError(
            f"{source} must hold one folder per class with images in it "
            f"({', '.join(sorted(SUFFIXES))}), found {len(folders)} folders and no image in them"
        )
    return write_conversion(source, output, [*pairs, *skipped])


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
    return write_conversion(source, output, [*pairs, *skipped])


def _unusable(folder: Path, files: Sequence[Path]) -> Iterator[Dropped]:
    for path in files:
        if not is_image(path):
            yield Dropped(str(folder), str(path), "is not an image by its suffix")
    if not any(map(is_image, files)):
        yield Dropped(str(folder), "", "is a class folder without images")
