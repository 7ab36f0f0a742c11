"""A job's tables read, checked and split: what a trial trains on, and the report of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from inference.errors import UsageError
from inference.types import Task
from training.data import requirements
from training.data.check_images import Progress, check_images
from training.data.doctor.examine import warnings_of
from training.data.image_download import download
from training.data.jsonl import read_records
from training.data.labels import PARSERS
from training.data.locations import find_image
from training.data.mltable import open_table
from training.data.records import Dropped, Labelled, Record
from training.data.report import class_counts, content_hash, summary
from training.data.split import validation_indices
from training.job import Job
from training.job_values import Flag

_NO_DATASTORES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DataSplit:
    """Training and validation data of one job; `labels` are its classes, sorted.

    Where validation was split off, what was dropped from the one table stands under `train`.
    `warnings` are lines about what is doubtful in the data.
    """

    train: Labelled
    validation: Labelled
    labels: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def report(self) -> dict[str, Any]:
        """Return counts per class and split, what was dropped and why, and a hash; for JSON."""
        return {
            "labels": list(self.labels),
            "hash": content_hash({"train": self.train, "validation": self.validation}),
            "train": summary(self.train, self.labels),
            "validation": summary(self.validation, self.labels),
            "warnings": list(self.warnings),
        }


def load_datasets(
    job: Job,
    *,
    seed: int,
    datastore_map: Mapping[str, str] = _NO_DATASTORES,
    progress: Progress | None = None,
) -> DataSplit:
    """Read, check and, without validation_data, split a job's data.

    `datastore_map` adds to the job's own `datastores`. Raises UsageError, one line that says what,
    where and what to do, when files are missing or unreadable, fewer than 10 images are left, or a
    class lacks images for training or validation.
    """
    read = partial(
        read_labelled,
        task=job.task,
        label_key=job.target_column_name,
        datastores={**job.datastores, **datastore_map},
        stream=streams(job.parameters),
        progress=progress,
    )
    source = job.training_data
    train = read(source)
    requirements.require_images(train, source=source)
    labels = tuple(sorted(class_counts(train)))
    requirements.require_classes(
        labels, task=job.task, source=source, label_key=job.target_column_name
    )
    if job.validation_data is not None:
        validation = read(job.validation_data)
    else:
        requirements.require_two_per_class(train, source=source)
        train, validation = split_off(train, size=job.validation_data_size, seed=seed)
    requirements.require_same_classes(
        train,
        validation,
        train_source=source,
        validation_source=job.validation_data or source,
    )
    warnings = warnings_of(train, validation, task=job.task, job=job.source)
    return DataSplit(train, validation, labels, tuple(warnings))


def read_labelled(
    location: Path,
    *,
    task: Task,
    label_key: str = "label",
    datastores: Mapping[str, str] = _NO_DATASTORES,
    stream: bool = False,
    progress: Progress | None = None,
) -> Labelled:
    """Read one table and every image in it; remote images are downloaded, unless they `stream`.

    Raises UsageError at the first bad record where the table says `invalid_lines: error`.
    """
    table = open_table(location, datastores=datastores)
    rows: list[Record | Dropped] = []
    for path in table.files:
        rows += read_records(
            path,
            encoding=table.encoding,
            label_key=label_key,
            parse_label=PARSERS[task],
            find_image=partial(find_image, datastores=datastores),
        )
    if not stream:
        rows = download(rows, progress=progress)
    rows = check_images(rows, progress=progress)
    dropped = tuple(row for row in rows if isinstance(row, Dropped))
    if table.strict and dropped:
        raise UsageError(
            f"{dropped[0].where}: {dropped[0].reason}; correct it, or go on without such records "
            f"with `invalid_lines: drop` in {table.source}"
        )
    return Labelled(tuple(row for row in rows if isinstance(row, Record)), dropped)


def split_off(data: Labelled, *, size: float, seed: int) -> tuple[Labelled, Labelled]:
    """Split into training and validation, `size` in (0, 1) the share of the latter."""
    classes = [record.classes for record in data.records]
    chosen = set(validation_indices(classes, size=size, seed=seed))
    train = tuple(record for i, record in enumerate(data.records) if i not in chosen)
    validation = tuple(record for i, record in enumerate(data.records) if i in chosen)
    return Labelled(train, data.dropped), Labelled(validation, ())


def streams(parameters: Mapping[str, Any]) -> bool:
    """Whether a job's parameters ask for remote images to be read as they are needed."""
    value = parameters.get("stream_image_files", False)
    try:
        return TypeAdapter(Flag).validate_python(value)
    except ValidationError:
        raise UsageError(
            f"training_parameters: stream_image_files must be true or false, got {value!r}"
        ) from None
