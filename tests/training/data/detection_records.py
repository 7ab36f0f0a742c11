"""Samples whose pixels say where their objects are, and records of images on disk."""

from pathlib import Path

import numpy as np
from PIL import Image

from training.data.detection_samples import Objects, Sample
from training.data.records import ObjectLabel, Record


def boxes_only(*boxes_xyxy):
    count = len(boxes_xyxy)
    return Objects(
        boxes_xyxy=np.array(boxes_xyxy, np.float32).reshape(-1, 4),
        label_ids=np.arange(count),
        is_crowd=np.zeros(count, np.bool_),
        rings=((),) * count,
    )


def outlined(*rings):
    """One object per ring ((x, y), …)."""
    rings = [np.array(ring, np.float32) for ring in rings]
    boxes = [[*ring.min(axis=0), *ring.max(axis=0)] for ring in rings]
    count = len(rings)
    return Objects(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        label_ids=np.arange(count),
        is_crowd=np.zeros(count, np.bool_),
        rings=tuple((ring,) for ring in rings),
    )


def painted(size_hw, objects):
    """Black, with the boxes white."""
    image = np.zeros((*size_hw, 3), np.uint8)
    for x1, y1, x2, y2 in objects.boxes_xyxy.astype(int):
        image[y1:y2, x1:x2] = 255
    return Sample(image, objects)


def white_box(image_rgb):
    """Box around what is more white than black."""
    rows, columns = np.nonzero(image_rgb[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def write_records(folder: Path, count: int, *, size_hw=(60, 80)) -> list[Record]:
    """Noise with 0, 1 or 2 triangles, labelled "even" and "odd"."""
    rng = np.random.default_rng(0)
    records = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (*size_hw, 3), np.uint8)).save(path)
        labels = tuple(
            ObjectLabel(("even", "odd")[number % 2], (x, 0.25, x + 0.375, 0.75), False, (ring,))
            for x in (0.0625, 0.5)[: number % 3]
            for ring in [(x, 0.25, x + 0.375, 0.25, x, 0.75)]
        )
        records.append(Record(path, labels, f"{number}"))
    return records
