"""COCO to JSON lines: boxes, or outlines from rings and run-length-encoded masks."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from training.data.coco_files import CocoAnnotation, CocoDataset, CocoImage, Id, Rle, read_coco
from training.data.conversion import ConversionReport, Pair, write_conversion
from training.data.pixel_objects import box_object, frame_hw, mask_object, polygon_object
from training.data.records import Dropped, ObjectLabel


def convert_coco(
    source: Path, output: Path, *, images: Path, masks: bool = False
) -> ConversionReport:
    """Convert an annotation file whose images lie in the folder `images`.

    Boxes become detection labels; with `masks`, outlines become segmentation labels. Images without
    annotations are kept, as negatives. Raises UsageError for a file that is none of COCO's and when
    nothing can be used.
    """
    return write_conversion(source, output, _rows(read_coco(source), source, images, masks))


def decode_rle(rle: Rle) -> NDArray[np.bool_]:
    """Decode a mask (h, w). Raises ValueError for runs that do not fill it."""
    height, width = rle.size
    runs = {"size": [height, width], "counts": rle.counts}
    try:
        if isinstance(rle.counts, list):
            runs = coco_mask.frPyObjects(runs, height, width)
        return np.asarray(coco_mask.decode(runs), dtype=bool)
    except (ValueError, RuntimeError, OverflowError, MemoryError) as error:
        raise ValueError(f"its run-length encoding is damaged: {error}") from None


def _rows(
    dataset: CocoDataset, source: Path, folder: Path, masks: bool
) -> Iterator[Pair | Dropped]:
    names = {category.id: category.name for category in dataset.categories}
    annotations = defaultdict(list)
    for annotation in dataset.annotations:
        annotations[annotation.image_id].append(annotation)
    for image in dataset.images:
        yield from _image_rows(image, annotations.pop(image.id, []), names, source, folder, masks)
    for image_id, left in annotations.items():
        reason = f"there is no image of this id, but {len(left)} annotations"
        yield Dropped(f"{source}: image {image_id}", "", reason)


def _image_rows(
    image: CocoImage,
    annotations: Sequence[CocoAnnotation],
    names: Mapping[Id, str],
    source: Path,
    folder: Path,
    masks: bool,
) -> Iterator[Pair | Dropped]:
    path = folder / image.file_name
    try:
        size_hw = frame_hw(path, stated_hw=(image.height, image.width))
    except ValueError as error:
        yield Dropped(f"{source}: image {image.id}", image.file_name, str(error))
        return
    objects = []
    for annotation in annotations:
        try:
            objects.append(_object(annotation, names, size_hw, masks))
        except ValueError as error:
            where = f"{source}: annotation {annotation.id}"
            yield Dropped(where, image.file_name, f"annotation {annotation.id}: {error}")
    yield path, tuple(objects)


def _object(
    annotation: CocoAnnotation, names: Mapping[Id, str], size_hw: tuple[int, int], masks: bool
) -> ObjectLabel:
    if annotation.category_id not in names:
        raise ValueError(f"there is no category of id {annotation.category_id}")
    name, is_crowd = names[annotation.category_id], annotation.iscrowd
    if masks:
        return _outlined(name, annotation, size_hw)
    if annotation.bbox is None:
        raise ValueError("it has no bbox")
    x, y, width, height = annotation.bbox
    return box_object(name, (x, y, x + width, y + height), size_hw=size_hw, is_crowd=is_crowd)


def _outlined(name: str, annotation: CocoAnnotation, size_hw: tuple[int, int]) -> ObjectLabel:
    outline, is_crowd = annotation.segmentation, annotation.iscrowd
    if outline is None:
        raise ValueError("it has no segmentation")
    if not isinstance(outline, Rle):
        return polygon_object(name, outline, size_hw=size_hw, is_crowd=is_crowd)
    if outline.size != size_hw:
        raise ValueError(f"its mask has size {outline.size}, the image {size_hw} (height, width)")
    return mask_object(name, decode_rle(outline), is_crowd=is_crowd)
