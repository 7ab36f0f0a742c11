"""Images that are there more than once: within a split, and in training and validation alike."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.data.doctor.findings import (
    Example,
    Finding,
    Severity,
    Splits,
    counted,
    counted_finding,
    picture_of,
)
from training.data.doctor.likeness import closest_copies, miniatures_of
from training.data.records import Label, ObjectLabel, Record


@dataclass(frozen=True, slots=True)
class Copy:
    """A record whose image is another record's: byte for byte, or by its looks (alike < 1)."""

    record: Record
    original: Record
    alike: float

    @property
    def exact(self) -> bool:
        """Whether the files are the same byte for byte."""
        return self.record.sha256 == self.original.sha256

    @property
    def same_label(self) -> bool:
        """Whether both have the same label; the order of objects does not matter."""
        return _content(self.record.label) == _content(self.original.label)


def copies_within(records: Sequence[Record]) -> list[Copy]:
    """Every record whose image stands before in the same split, with the first such record."""
    by_content: dict[str, dict[frozenset[str | ObjectLabel], Record]] = {}  # by file, then by label
    exact = []
    for record in records:
        same_file = by_content.setdefault(record.sha256, {})
        original = same_file.setdefault(_content(record.label), record)
        if original is not record:
            exact.append(Copy(record, original, 1.0))
        elif len(same_file) > 1:
            exact.append(Copy(record, next(iter(same_file.values())), 1.0))
    files = [next(iter(same_file.values())) for same_file in by_content.values()]
    near = closest_copies(miniatures_of(files))
    return exact + [Copy(files[i], files[j], alike) for i, j, alike in near]


def copies_across(train: Sequence[Record], validation: Sequence[Record]) -> list[Copy]:
    """Every training record whose image is in the validation data too, by file or by looks."""
    by_hash = {record.sha256: record for record in reversed(validation)}
    exact = [Copy(r, by_hash[r.sha256], 1.0) for r in train if r.sha256 in by_hash]
    rest = [record for record in train if record.sha256 not in by_hash]
    near = closest_copies(miniatures_of(rest), miniatures_of(validation))
    return exact + [Copy(rest[i], validation[j], alike) for i, j, alike in near]


def copy_findings(splits: Splits) -> Iterator[Finding]:
    """Leakage, then copies within training and within validation."""
    records = {name: split.records for name, split in splits.items()}
    if len(records) == 2:
        train, validation = records.values()
        if leaks := copies_across(train, validation):
            yield _leakage(leaks)
    by_kind = defaultdict(list)
    for copy in (copy for each in records.values() for copy in copies_within(each)):
        kind = ("exact" if copy.same_label else "conflicting") if copy.exact else "near"
        by_kind[kind].append(copy)
    yield from _within(by_kind, split_later=len(records) == 1)


def _leakage(copies: Sequence[Copy]) -> Finding:
    verb = "is" if len(copies) == 1 else "are"
    return Finding(
        "leakage",
        Severity.ERROR,
        f"{counted(len(copies), 'training image')} {verb} in the validation data too",
        "metrics will be better than the model is: remove them from one side; --fix takes them "
        "out of training",
        tuple(_example(copy) for copy in copies),
    )


def _within(by_kind: dict[str, list[Copy]], *, split_later: bool) -> Iterator[Finding]:
    risk = "; a split may put one copy into validation" if split_later else ""
    examples = {kind: [_example(copy) for copy in copies] for kind, copies in by_kind.items()}
    yield from counted_finding(
        "conflicting-labels",
        Severity.ERROR,
        "line",
        "of an image that has another label elsewhere",
        "decide which label is right, or put all objects of an image into one line; "
        "--fix leaves these to you",
        examples.get("conflicting", ()),
    )
    yield from counted_finding(
        "duplicates",
        Severity.WARNING,
        "exact duplicate",
        "of other images, labels and all",
        f"they count twice in training and in metrics{risk}; --fix keeps one of each",
        examples.get("exact", ()),
    )
    if near := examples.get("near"):
        yield Finding(
            "near-duplicates",
            Severity.WARNING,
            f"{counted(len(near), 'near-duplicate')}: resized, recompressed or from one burst",
            f"look at them: do the labels agree, and is each worth its place?{risk}",
            tuple(near),
        )


def _example(copy: Copy) -> Example:
    how = "the same file as" if copy.exact else f"{100 * copy.alike:.1f} % like"
    labels = "" if copy.same_label else ", with another label"
    pictures = (picture_of(copy.record), picture_of(copy.original))
    return Example(copy.record.where, f"{how} {copy.original.where}{labels}", pictures)


def _content(label: Label) -> frozenset[str | ObjectLabel]:
    """A label without the order of its classes or objects."""
    return frozenset([label] if isinstance(label, str) else label)
