"""A diagnosis as JSON; keys and codes of one schema_version stay what they are."""

from dataclasses import asdict
from typing import Any

from inference.types import Task
from training.data.doctor.examine import co_occurrence
from training.data.doctor.findings import Diagnosis, Finding, Split
from training.data.doctor.labels import images_per_class, sample_counts
from training.data.doctor.sizes import ObjectSizes, percentiles

SCHEMA_VERSION = 1


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return everything, every example included."""
    pairs = co_occurrence(diagnosis.splits) if diagnosis.task is Task.MULTILABEL else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "task": diagnosis.task.value,
        "splits": {name: _split(split, diagnosis.task) for name, split in diagnosis.splits.items()},
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "object_sizes": _sizes(diagnosis.sizes),
        "co_occurrence": [
            {"labels": list(names), "images": count} for names, count in sorted(pairs.items())
        ],
    }


def _split(split: Split, task: Task) -> dict[str, Any]:
    return {
        "images": len(split.records),
        "images_per_class": dict(sorted(images_per_class(split.records).items())),
        "samples_per_class": dict(sorted(sample_counts(split.records, task=task).items())),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "title": finding.title,
        "advice": finding.advice,
        "count": finding.count,
        "examples": [asdict(example) for example in finding.examples],
    }


def _sizes(sizes: ObjectSizes | None) -> dict[str, Any] | None:
    if sizes is None:
        return None
    return {
        "side_pixels": percentiles(sizes.sides_px),
        "side_ratio": percentiles(sizes.sides_ratio),
        "side_canvas_pixels": percentiles(sizes.sides_canvas_px),
        "model_name": sizes.canvas.model_name,
        sizes.canvas.setting: sizes.canvas.side,
        "suggestion": {
            "tile_grid_size": sizes.grid and f"{sizes.grid[0]}x{sizes.grid[1]}",
            sizes.canvas.setting: sizes.side,
        },
    }
