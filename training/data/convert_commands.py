"""`python -m training convert …`: data sets of other formats, and predictions as COCO."""

from pathlib import Path
from typing import Annotated

import typer

from training.data.convert import convert_csv, convert_folder
from training.data.convert_coco import convert_coco
from training.data.convert_masks import convert_masks
from training.data.convert_voc import convert_voc
from training.data.convert_yolo import convert_yolo
from training.data.to_coco import to_coco
from training.show import CONSOLE, print_conversion

convert_app = typer.Typer(no_args_is_help=True, help="Make a JSONL data set from other formats.")
Output = Annotated[Path, typer.Argument(help="JSONL file, or folder that becomes an MLTable.")]


@convert_app.command("folder")
def from_folder(
    source: Annotated[Path, typer.Argument(help="Folder with one subfolder of images per class.")],
    output: Output,
) -> None:
    """Subfolders are the classes."""
    print_conversion(convert_folder(source, output))


@convert_app.command("csv")
def from_csv(
    source: Annotated[Path, typer.Argument(help="CSV file with a header.")],
    output: Output,
    image_column: str = "image",
    label_column: str = "label",
    separator: Annotated[
        str | None, typer.Option(help="Splits several labels of one image (multi-label).")
    ] = None,
) -> None:
    """One row per image."""
    report = convert_csv(
        source,
        output,
        image_column=image_column,
        label_column=label_column,
        separator=separator,
    )
    print_conversion(report)


@convert_app.command("coco")
def from_coco(
    source: Annotated[Path, typer.Argument(help="COCO's annotation file.")],
    output: Output,
    images: Annotated[Path, typer.Option(help="Folder that its file names are relative to.")],
    masks: Annotated[bool, typer.Option("--masks", help="Outlines rather than boxes.")] = False,
) -> None:
    """Boxes, or outlines from rings and run-length-encoded masks."""
    print_conversion(convert_coco(source, output, images=images, masks=masks))


@convert_app.command("voc")
def from_voc(
    source: Annotated[Path, typer.Argument(help="Folder with Annotations/, or of XML files.")],
    output: Output,
    images: Annotated[
        Path | None, typer.Option(help="Where images are, if not in JPEGImages/ or beside.")
    ] = None,
) -> None:
    """Pascal VOC, one XML file per image; `difficult` objects become crowds."""
    print_conversion(convert_voc(source, output, images=images))


@convert_app.command("yolo")
def from_yolo(
    source: Annotated[Path, typer.Argument(help="Folder with images/ and labels/.")],
    output: Output,
    names: Annotated[
        Path | None, typer.Option(help="Class names, if not in data.yaml or classes.txt.")
    ] = None,
) -> None:
    """One text file per image, a line per object: boxes or polygons."""
    print_conversion(convert_yolo(source, output, names=names))


@convert_app.command("masks")
def from_masks(
    source: Annotated[Path, typer.Argument(help="Folder with images/ and masks/.")],
    output: Output,
    images: Annotated[Path | None, typer.Option(help="Folder of images, if not images/.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of masks, if not masks/.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Class of all objects; pixel values are their ids.")
    ] = None,
) -> None:
    """One mask per image with --label, else one per object: IMAGE_CLASS_NUMBER.png."""
    print_conversion(convert_masks(source, output, images=images, masks=masks, label=label))


@convert_app.command("to-coco")
def into_coco(
    predictions: Annotated[Path, typer.Argument(help="JSON lines of `python -m inference`.")],
    output: Annotated[Path, typer.Argument(help="JSON file to write.")],
    images: Annotated[Path, typer.Option(help="Folder that was scored.")],
    annotations: Annotated[
        Path | None, typer.Option(help="COCO data set whose ids are used; gives results for it.")
    ] = None,
) -> None:
    """Predictions of a folder as COCO."""
    counts = to_coco(predictions, output, images=images, annotations=annotations)
    CONSOLE.print(f"{output}: {counts[0]} images, {counts[1]} objects", highlight=False)
