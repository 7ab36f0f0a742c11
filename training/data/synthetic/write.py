"""Synthetic scenes as data sets on disk: JPEGs, and MLTable folders for training and validation."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from training.data.check_images import Progress
from training.data.synthetic.scene import Scene, generate_scene
from training.data.write_table import make_folder, write_table

DEMO_LABELS = ("ball", "bottle", "leaf", "mug")
Size = tuple[int, int]
T = TypeVar("T")
SIZE_HW: Size = (144, 144)
_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """The folders with an MLTable each."""

    training: Path
    validation: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """One picture to be made; sides are those of generate_scene."""

    path: Path
    labels: tuple[str, ...]
    size_hw: Size
    seed: int
    sides: tuple[float, float] | None = None


def write_classification_dataset(
    folder: Path,
    *,
    labels: Sequence[str] = DEMO_LABELS,
    images_per_class: int = 100,
    validation_per_class: int = 25,
    size_hw: Size = SIZE_HW,
    seed: int = 0,
    progress: Progress | None = None,
) -> WrittenDataset:
    """Write a multi-class data set: <folder>/<label>/<n>.jpg with one object in each.

    `images_per_class` are for training, `validation_per_class` come on top of them.
    """
    each = images_per_class + validation_per_class
    seeds = picture_seeds(seed, len(labels) * each)
    plans = [
        Plan(folder / label / f"{n + 1:04d}.jpg", (label,), size_hw, seeds[row * each + n])
        for row, label in enumerate(labels)
        for n in range(each)
    ]
    write_images(plans, describe=labels_of, progress=progress)
    rows = [(plan.path, plan.labels[0]) for plan in plans]
    in_training = [index % each < images_per_class for index in range(len(rows))]
    return write_tables(folder, rows, in_training)


def write_multilabel_dataset(
    folder: Path,
    *,
    labels: Sequence[str] = DEMO_LABELS,
    images: int = 300,
    validation_images: int = 75,
    size_hw: Size = SIZE_HW,
    seed: int = 0,
    progress: Progress | None = None,
) -> WrittenDataset:
    """Write a multi-label data set: <folder>/images/<n>.jpg with one to three kinds of objects.

    `images` are for training, `validation_images` come on top of them.
    """
    rng = np.random.default_rng(seed)
    seeds = picture_seeds(seed, images + validation_images)
    most = min(3, len(labels))
    plans = [
        Plan(
            folder / "images" / f"{n + 1:04d}.jpg",
            tuple(rng.choice(labels, size=rng.integers(1, most + 1), replace=False).tolist()),
            size_hw,
            seeds[n],
        )
        for n in range(images + validation_images)
    ]
    shown = write_images(plans, describe=labels_of, progress=progress)
    rows = [(plan.path, sorted(set(names))) for plan, names in zip(plans, shown, strict=True)]
    return write_tables(folder, rows, [index < images for index in range(len(rows))])


def picture_seeds(seed: int, count: int) -> list[int]:
    """Return one seed per picture, so that a picture does not depend on how many there are."""
    return [seed * 1_000_003 + index for index in range(count)]


def labels_of(scene: Scene) -> tuple[str, ...]:
    """Labels of the objects in a scene, back to front."""
    return tuple(item.label for item in scene.objects)


def write_images(
    plans: Sequence[Plan], *, describe: Callable[[Scene], T], progress: Progress | None
) -> list[T]:
    """Write every picture; return what `describe` makes of each scene."""
    for parent in sorted({plan.path.parent for plan in plans}):
        make_folder(parent)
    described: list[T] = []
    with ThreadPoolExecutor(max_workers=cpu_count()) as pool:
        for description in pool.map(lambda plan: describe(_write_image(plan)), plans):
            described.append(description)
            if progress is not None:
                progress(len(described), len(plans))
    return described


def _write_image(plan: Plan) -> Scene:
    scene = generate_scene(plan.labels, size_hw=plan.size_hw, seed=plan.seed, sides=plan.sides)
    Image.fromarray(scene.image_rgb).save(plan.path, quality=_JPEG_QUALITY)
    return scene


def write_tables(
    folder: Path, rows: Sequence[tuple[Path, Any]], in_training: Sequence[bool]
) -> WrittenDataset:
    """Write the rows (image, label) as two tables; `in_training` says which one each goes to."""
    written = WrittenDataset(
        folder / "training-mltable-folder", folder / "validation-mltable-folder"
    )
    pairs = list(zip(rows, in_training, strict=True))
    training = [row for row, is_in in pairs if is_in]
    validation = [row for row, is_in in pairs if not is_in]
    write_table(written.training, training, name="train_annotations.jsonl")
    write_table(written.validation, validation, name="validation_annotations.jsonl")
    return written
