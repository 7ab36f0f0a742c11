"""Facts of a data set: counts per class, what was dropped, a hash of its content."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

import numpy as np

from training.data.records import Labelled, ObjectLabel, Record


def class_counts(data: Labelled) -> Counter[str]:
    """Images per class; an image with several classes counts for each."""
    return Counter(name for record in data.records for name in record.classes)


def summary(data: Labelled, labels: Sequence[str]) -> dict[str, Any]:
    """Counts and dropped records of one split, ready for JSON; `labels` gives the order.

    Where labels are objects, also how many there are per class and how large they are.
    """
    counts = class_counts(data)
    return {
        "images": len(data.records),
        "images_per_class": {name: counts[name] for name in labels},
        "images_without_class": sum(not record.classes for record in data.records),
        **(_object_facts(data, labels) if any(record.objects for record in data.records) else {}),
        "dropped": [asdict(item) for item in data.dropped],
    }


def _object_facts(data: Labelled, labels: Sequence[str]) -> dict[str, Any]:
    """Count objects per class, crowds apart, and give percentiles of their side, √area.

    In ratios the side is that of an image of 1×1, in pixels that of the image as it is.
    """
    found = [(item, r.size_hw) for r in data.records for item in r.objects]
    objects = [(item, size_hw) for item, size_hw in found if not item.is_crowd]
    counts = Counter(item.label for item, _ in objects)
    return {
        "objects_per_class": {name: counts[name] for name in labels},
        "crowds": len(found) - len(objects),
        "object_side_ratio": _percentiles([_side(item, (1, 1)) for item, _ in objects]),
        "object_side_pixels": _percentiles([_side(item, hw) for item, hw in objects if hw]),
    }


def _side(item: ObjectLabel, size_hw: tuple[int, int]) -> float:
    x1, y1, x2, y2 = item.box
    return math.sqrt((x2 - x1) * size_hw[1] * (y2 - y1) * size_hw[0])


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {f"p{q}": round(float(np.percentile(values, q)), 4) for q in (10, 50)}


def content_hash(splits: Mapping[str, Labelled]) -> str:
    """SHA-256 of labels and image bytes per split; neither paths nor the order matter."""
    lines = [
        f"{name} {record.sha256} {_label_text(record)}"
        for name, data in splits.items()
        for record in data.records
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _label_text(record: Record) -> str:
    return "|".join(sorted(json.dumps(astuple(o)) for o in record.objects) or record.classes)
