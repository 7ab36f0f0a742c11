"""What data must have before training can start; each miss is one line: what, where, what to do."""

from collections.abc import Sequence
from pathlib import Path

from inference.errors import UsageError
from inference.types import Task
from training.data.records import Labelled
from training.data.report import class_counts

MIN_IMAGES = 10


def require_images(train: Labelled, *, source: Path) -> None:
    """Raise UsageError if fewer than 10 images are left, with the first reason for dropping one."""
    left, dropped = len(train.records), train.dropped
    if left >= MIN_IMAGES:
        return
    why = ""
    if dropped:
        why = f" (dropped: {len(dropped)}, first {dropped[0].where}: {dropped[0].reason})"
    raise UsageError(f"{source}: {left} images to train on, at least {MIN_IMAGES} are needed{why}")


def require_classes(labels: Sequence[str], *, task: Task, source: Path, label_key: str) -> None:
    """Raise UsageError if there are too few classes to tell apart."""
    needed = 2 if task is Task.CLASSIFICATION else 1
    if len(labels) < needed:
        found = ", ".join(map(repr, labels)) or "none"
        are_needed = "classes are" if needed > 1 else "class is"
        raise UsageError(
            f"{source}: at least {needed} {are_needed} needed for {task.value}, found {found}; "
            f"is target_column_name {label_key!r} right?"
        )


def require_two_per_class(data: Labelled, *, source: Path) -> None:
    """Raise UsageError if a class has too few images to be in training and in validation."""
    for name, count in class_counts(data).items():
        if count < 2:
            raise UsageError(
                f"class {name!r} has 1 image in {source}, and training and validation need one "
                "each: add images, remove the class, or give validation_data"
            )


def require_same_classes(
    train: Labelled, validation: Labelled, *, train_source: Path, validation_source: Path
) -> None:
    """Raise UsageError if a class is in one split only, or validation is empty."""
    if not validation.records:
        reason = f": {validation.dropped[0].reason}" if validation.dropped else ""
        raise UsageError(f"{validation_source}: no image is left to validate on{reason}")
    here, there = class_counts(train), class_counts(validation)
    if missing := sorted(here.keys() - there.keys()):
        raise UsageError(
            f"{validation_source}: no validation image of {_named(missing)}; add some, or leave "
            "validation_data out to have it split off the training data"
        )
    if unknown := sorted(there.keys() - here.keys()):
        where = next(r.where for r in validation.records if unknown[0] in r.classes)
        raise UsageError(
            f"{where}: {_named(unknown)} of the validation data has no image in {train_source}; "
            "add training images, or correct the label"
        )


def _named(classes: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(repr(name) for name in classes[:limit])
    more = f" and {len(classes) - limit} more" if len(classes) > limit else ""
    return f"class{'es' if len(classes) > 1 else ''} {shown}{more}"
