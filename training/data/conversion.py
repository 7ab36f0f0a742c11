"""What all converters share: the table they write and the report of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from training.data.object_labels import object_json
from training.data.records import Dropped, Label, ObjectLabel, classes_of
from training.data.write_table import write_table

Pair = tuple[Path, Label]


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What was written to `jsonl`, and what was not and why.

    objects_per_class is empty where labels are about whole images.
    """

    jsonl: Path
    images: int
    images_per_class: Mapping[str, int]
    objects_per_class: Mapping[str, int]
    skipped: tuple[Dropped, ...]


def write_conversion(
    source: Path, output: Path, rows: Iterable[Pair | Dropped]
) -> ConversionReport:
    """Write the pairs of image and label; what was dropped goes into the report.

    `output` is a .jsonl file or a folder that becomes an MLTable. Raises UsageError when there is
    no pair, when everything that could have been an object was dropped, and when `output` cannot
    be written.
    """
    every = list(rows)
    skipped = [row for row in every if isinstance(row, Dropped)]
    pairs = [row for row in every if not isinstance(row, Dropped)]
    if not any(label for _, label in pairs) and (skipped or not pairs):
        raise UsageError(f"{source}: nothing in it can be used as a label{_first(skipped)}")
    jsonl = write_table(output, [(image, _json(label)) for image, label in pairs])
    labels = [label for _, label in pairs]
    return ConversionReport(
        jsonl=jsonl,
        images=len(pairs),
        images_per_class=_counts(name for label in labels for name in classes_of(label)),
        objects_per_class=_counts(
            item.label for label in labels for item in label if isinstance(item, ObjectLabel)
        ),
        skipped=tuple(skipped),
    )


def _json(label: Label) -> Any:
    if isinstance(label, str):
        return label
    return [object_json(item) if isinstance(item, ObjectLabel) else item for item in label]


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _first(skipped: Sequence[Dropped]) -> str:
    if not skipped:
        return ""
    return f" (left out: {len(skipped)}, first {skipped[0].where}: {skipped[0].reason})"
