"""Synthetic scenes with boxes or polygons as data sets on disk."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.polygons import polygons_of
from training.data.check_images import Progress
from training.data.object_labels import object_json
from training.data.records import ObjectLabel
from training.data.synthetic.scene import Scene, SceneObject
from training.data.synthetic.write import (
    DEMO_LABELS,
    Plan,
    Size,
    WrittenDataset,
    picture_seeds,
    write_images,
    write_tables,
)

_SIDES = (0.2, 0.6)  # of the picture's short side
_MAX_POINTS = 200  # of one outline


def write_detection_dataset(
    folder: Path,
    *,
    labels: Sequence[str] = DEMO_LABELS,
    images: int = 200,
    validation_images: int = 50,
    size_hw: Size = (240, 320),
    objects: tuple[int, int] = (1, 4),
    seed: int = 0,
    masks: bool = False,
    progress: Progress | None = None,
) -> WrittenDataset:
    """Write a detection data set, with `masks` one of instance segmentation.

    <folder>/images/<n>.jpg show the smallest to the largest number of `objects`, of any classes and
    of different sizes. `images` are for training, `validation_images` come on top of them.
    """
    count = images + validation_images
    rng = np.random.default_rng(seed)
    shown = [rng.choice(labels, size=rng.integers(*objects, endpoint=True)) for _ in range(count)]
    plans = [
        Plan(folder / "images" / f"{n + 1:04d}.jpg", tuple(names.tolist()), size_hw, one, _SIDES)
        for n, (names, one) in enumerate(zip(shown, picture_seeds(seed, count), strict=True))
    ]
    describe = functools.partial(objects_json, masks=masks)
    found = write_images(plans, describe=describe, progress=progress)
    rows = [(plan.path, label) for plan, label in zip(plans, found, strict=True)]
    return write_tables(folder, rows, [n < images for n in range(count)])


def objects_json(scene: Scene, *, masks: bool) -> list[dict[str, Any]]:
    """Label of a scene as JSON lines hold it: boxes, or polygons if asked for, as ratios."""
    return [object_json(_label(item, masks=masks)) for item in scene.objects]


def _label(item: SceneObject, *, masks: bool) -> ObjectLabel:
    height, width = item.mask.shape
    x1, y1, x2, y2 = (item.box_xyxy / np.array([width, height] * 2)).tolist()
    rings = polygons_of(item.mask, max_points=_MAX_POINTS) if masks else []
    ratios = [(np.reshape(ring, (-1, 2)) / (width, height)).ravel().tolist() for ring in rings]
    return ObjectLabel(item.label, (x1, y1, x2, y2), polygons=tuple(map(tuple, ratios)))
