"""Facts of a data set: counts per class, what was dropped, a hash of its content."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from training.data.records import Labelled


def class_counts(data: Labelled) -> Counter[str]:
    """Images per class; an image with several classes counts for each."""
    return Counter(name for record in data.records for name in record.classes)


def summary(data: Labelled, labels: Sequence[str]) -> dict[str, Any]:
    """Counts and dropped records of one split, ready for JSON; `labels` gives the order."""
    counts = class_counts(data)
    return {
        "images": len(data.records),
        "images_per_class": {name: counts[name] for name in labels},
        "images_without_class": sum(not record.classes for record in data.records),
        "dropped": [asdict(item) for item in data.dropped],
    }


def content_hash(splits: Mapping[str, Labelled]) -> str:
    """SHA-256 of labels and image bytes per split; neither paths nor the order matter."""
    lines = [
        f"{name} {record.sha256} {'|'.join(record.classes)}"
        for name, data in splits.items()
        for record in data.records
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
