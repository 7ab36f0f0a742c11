"""The words that all checks share: a finding, its examples, and the whole diagnosis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from inference.types import Task
from training.data.doctor.sizes import ObjectSizes
from training.data.records import Dropped, Record

Box = tuple[float, float, float, float]


class Severity(StrEnum):
    """How bad a finding is: errors make training stop or its results wrong."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Picture:
    """A record's image for a page: file, place in the table, and the objects to draw."""

    where: str
    image: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One case of a finding: where, what it is, and the pictures that show it, if any can."""

    where: str
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of defect, with every case of it.

    code: its name in JSON, which stays. title: one line, with the count. advice: what to do.
    """

    code: str
    severity: Severity
    title: str
    advice: str
    examples: tuple[Example, ...]

    @property
    def count(self) -> int:
        """How many cases there are."""
        return max(1, len(self.examples))


@dataclass(frozen=True, slots=True)
class BadObject:
    """One object that cannot be used, in a line that may hold good ones: "file.jsonl:3", why."""

    where: str
    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class Split:
    """Training or validation data: what can be used, and what cannot.

    A record of an image with bad objects is without them; training leaves out the whole image.
    """

    records: tuple[Record, ...]
    unreadable: tuple[Dropped, ...] = ()
    bad_lines: tuple[Dropped, ...] = ()
    bad_objects: tuple[BadObject, ...] = ()


Splits = Mapping[str, Split]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found, worst first; `sizes` where there are objects."""

    task: Task
    splits: Splits
    findings: tuple[Finding, ...]
    sizes: ObjectSizes | None = None

    def has_errors(self) -> bool:
        """Whether anything is an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)


def counted_finding(
    code: str, severity: Severity, noun: str, title: str, advice: str, examples: Sequence[Example]
) -> Iterator[Finding]:
    """Yield "3 {noun}s {title}", the finding that there are such examples; nothing without any."""
    if examples:
        whole_title = f"{counted(len(examples), noun)} {title}"
        yield Finding(code, severity, whole_title, advice, tuple(examples))


def picture_of(record: Record, boxes: Sequence[Box] | None = None) -> Picture:
    """Show a record with the given boxes, or with all of its objects."""
    shown = [item.box for item in record.objects] if boxes is None else boxes
    return Picture(record.where, str(record.image), tuple(shown))


def example_of(record: Record, text: str, boxes: Sequence[Box] | None = None) -> Example:
    """Make an example of one record."""
    return Example(record.where, text, (picture_of(record, boxes),))


def dropped_example(item: Dropped | BadObject) -> Example:
    """Make an example of what cannot be used; where an object is bad, its image can be shown."""
    pictures = (Picture(item.where, item.image),) if isinstance(item, BadObject) else ()
    return Example(item.where, item.reason, pictures)


def every_record(splits: Splits) -> list[tuple[str, Record]]:
    """(split, record) of all records, in order."""
    return [(name, record) for name, split in splits.items() for record in split.records]


def counted(number: int, noun: str, plural: str = "") -> str:
    """ "1 image", "3 images"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
