"""All checks together, worst first; and the few lines of them that a job starts with."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from inference.types import CLASSIFICATION_TASKS, Task
from training.data.doctor.copies import copy_findings
from training.data.doctor.findings import (
    Diagnosis,
    Example,
    Finding,
    Severity,
    Split,
    Splits,
    counted,
    counted_finding,
    every_record,
    example_of,
)
from training.data.doctor.images import image_findings
from training.data.doctor.labels import images_per_class, label_findings
from training.data.doctor.objects import object_findings
from training.data.doctor.sizes import ModelCanvas, object_sizes
from training.data.records import Labelled
from training.data.requirements import MIN_IMAGES

MAX_WARNINGS = 10
_TOGETHER = 5  # images from which on two classes that never part are worth a word
_TOLD_ANYWAY = frozenset({"unreadable-images", "bad-lines", "bad-objects"})
_SEVERITIES = list(Severity)


def examine(splits: Splits, *, task: Task, canvas: ModelCanvas | None = None) -> Diagnosis:
    """Run every check on training and, if there are two splits, validation data.

    `canvas`, of detectors, tells how large the model sees objects.
    """
    train = next(iter(splits.values())).records
    sizes = object_sizes(train, canvas) if canvas else None
    found = [*copy_findings(splits), *image_findings(splits, has_objects=canvas is not None)]
    found += object_findings(splits, sizes)
    found += label_findings(splits, task=task)
    found += _quantities(splits, task)
    found.sort(key=lambda finding: _SEVERITIES.index(finding.severity))
    return Diagnosis(task, splits, tuple(found), sizes)


def warnings_of(train: Labelled, validation: Labelled, *, task: Task, job: Path) -> list[str]:
    """At most ten lines that a job starts with: errors and warnings, and where to see more."""
    splits = {"training": Split(train.records), "validation": Split(validation.records)}
    found = [
        f"{finding.title}{_first_place(finding)}"
        for finding in examine(splits, task=task).findings
        if finding.severity is not Severity.NOTE and finding.code not in _TOLD_ANYWAY
    ]
    if not found:
        return []
    return [*found[: MAX_WARNINGS - 1], f"see all of it: python -m training check-data {job}"]


def _first_place(finding: Finding) -> str:
    example = next(iter(finding.examples), Example("", ""))
    text = f"{example.where}: {example.text}" if example.where else example.text
    return f" ({text})" if text else ""


def _quantities(splits: Splits, task: Task) -> Iterator[Finding]:
    """Too little to train on; images without a label; classes that never part."""
    train = next(iter(splits.values())).records
    if len(train) < MIN_IMAGES:
        yield Finding(
            "too-few-images",
            Severity.ERROR,
            f"{counted(len(train), 'image')} to train on",
            f"training needs {MIN_IMAGES} at least, and some hundreds per class to be good",
            (),
        )
    if task is Task.CLASSIFICATION:
        if len(images_per_class(train)) < 2:
            yield Finding(
                "too-few-classes",
                Severity.ERROR,
                "fewer than two classes",
                "there is nothing to tell apart: is the key of the labels right?",
                (),
            )
        return
    bad = {item.where for split in splits.values() for item in split.bad_objects}
    empty = [r for _, r in every_record(splits) if not r.classes and r.where not in bad]
    noun = "label" if task in CLASSIFICATION_TASKS else "object"
    yield from counted_finding(
        "without-label",
        Severity.NOTE,
        "image",
        f"without any {noun}",
        "they are learned as examples of nothing: make sure that nothing is on them",
        [example_of(record, f"no {noun}") for record in empty],
    )
    if task is Task.MULTILABEL:
        yield from _always_together(splits)


def co_occurrence(splits: Splits) -> Counter[tuple[str, str]]:
    """Images that show both classes, per pair of classes in alphabetical order."""
    classes = (record.classes for _, record in every_record(splits))
    return Counter(pair for names in classes for pair in combinations(names, 2))


def _always_together(splits: Splits) -> Iterator[Finding]:
    counts = images_per_class([record for _, record in every_record(splits)])
    examples = [
        Example("", f"{a!r} and {b!r}: {count} images")
        for (a, b), count in sorted(co_occurrence(splits).items())
        if count >= _TOGETHER and counts[a] == counts[b] == count
    ]
    yield from counted_finding(
        "inseparable-classes",
        Severity.NOTE,
        "pair",
        "of classes that never part",
        "nothing tells the model which is which: add images with one of them alone",
        examples,
    )
