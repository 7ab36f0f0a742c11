"""Predictions of folder scoring to COCO, for its evaluation and for tools that read it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from inference.errors import UsageError
from inference.files import write_text_atomically
from inference.schema import DetectedObject
from inference.validation import describe
from training.data.coco_files import CocoDataset, Id, read_coco
from training.data.image_files import image_size_hw
from training.data.write_table import make_folder


class _Line(BaseModel):
    """One image."""

    model_config = ConfigDict(frozen=True)

    filename: str
    boxes: list[DetectedObject]


def to_coco(
    predictions: Path, output: Path, *, images: Path, annotations: Path | None = None
) -> tuple[int, int]:
    """Write predictions as COCO and return how many images and objects there are.

    `images` is the folder that was scored: sizes are read from its files. With the `annotations` of
    a COCO data set, the output is a list of results with that set's ids, as its evaluation takes
    it. Without, it is a data set of its own, ids counted from 1. Raises UsageError, one line, for a
    line that is no prediction, an image that is missing and a name that the data set lacks.
    """
    lines = _read_lines(predictions)
    reference = read_coco(annotations) if annotations else None
    image_ids, category_ids = _ids_of(reference) if reference else _counted_ids(lines)
    entries: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for where, line in lines:
        image = _image(line.filename, where, image_ids, images)
        entries.append(image)
        for found in line.boxes:
            _refuse_pictures(found, where)
            category_id = _known(category_ids, found.label, where, "category")
            objects.append({"id": len(objects) + 1, **_object(found, image, category_id)})
    categories = [{"id": number, "name": name} for name, number in category_ids.items()]
    dataset = {"images": entries, "annotations": objects, "categories": categories}
    _write(output, objects if reference else dataset)
    return len(entries), len(objects)


def _read_lines(path: Path) -> list[tuple[str, _Line]]:
    """Pairs of (place, line)."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    numbered = [(f"{path}:{number}", line) for number, line in enumerate(lines, start=1)]
    return [(where, _line(where, line)) for where, line in numbered if line.strip()]


def _line(where: str, text: bytes) -> _Line:
    try:
        return _Line.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(
            f"{where}: is no prediction of boxes as folder scoring writes it: "
            f"{describe(error, _Line)}"
        ) from None


def _ids_of(reference: CocoDataset) -> tuple[dict[str, Id], dict[str, Id]]:
    """Ids of images by file name and of categories by name."""
    return (
        {image.file_name: image.id for image in reference.images},
        {category.name: category.id for category in reference.categories},
    )


def _counted_ids(lines: Sequence[tuple[str, _Line]]) -> tuple[dict[str, Id], dict[str, Id]]:
    labels = sorted({found.label for _, line in lines for found in line.boxes})
    return (
        {line.filename: number for number, (_, line) in enumerate(lines, start=1)},
        {label: number for number, label in enumerate(labels, start=1)},
    )


def _refuse_pictures(found: DetectedObject, where: str) -> None:
    if found.mask is not None:
        raise UsageError(
            f"{where}: masks are pictures, and COCO needs outlines; score again with a model whose "
            "settings.json says export_as_image: false"
        )


def _known(ids: Mapping[str, Id], name: str, where: str, kind: str) -> Id:
    if name not in ids:
        raise UsageError(f"{where}: the annotations have no {kind} named {name!r}")
    return ids[name]


def _image(filename: str, where: str, image_ids: Mapping[str, Id], folder: Path) -> dict[str, Any]:
    try:
        height, width = image_size_hw(folder / filename)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    number = _known(image_ids, filename, where, "image")
    return {"id": number, "file_name": filename, "height": height, "width": width}


def _object(found: DetectedObject, image: Mapping[str, Any], category_id: Id) -> dict[str, Any]:
    """One annotation, less its id; bbox is (x, y, width, height) in pixels."""
    scale = (image["width"], image["height"])
    left, top = found.box.x1 * scale[0], found.box.y1 * scale[1]
    width, height = found.box.x2 * scale[0] - left, found.box.y2 * scale[1] - top
    rings = [[n * scale[index % 2] for index, n in enumerate(ring)] for ring in found.polygon or []]
    return {
        "image_id": image["id"],
        "category_id": category_id,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
        "score": found.score,
        **({"segmentation": rings} if rings else {}),
    }


def _write(output: Path, value: Any) -> None:
    make_folder(output.parent)
    try:
        write_text_atomically(output, json.dumps(value, ensure_ascii=False))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
