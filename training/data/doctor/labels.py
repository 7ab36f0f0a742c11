"""Classes: misspelt ones, rare ones, and ones that a split lacks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from inference.types import CLASSIFICATION_TASKS, Task
from training.data.doctor.findings import (
    Example,
    Finding,
    Severity,
    Splits,
    counted,
    every_record,
)
from training.data.records import Record

FEW = 10  # samples; with fewer, a class is hardly learned and not judged at all
_IMBALANCE = 10  # times as many samples of the largest class as of the smallest
_TYPO_RARITY = 10  # times as many of the right spelling
_SHORTEST_TYPO = 4  # letters; "cat" and "car" are both words


def label_findings(splits: Splits, *, task: Task) -> Iterator[Finding]:
    """Misspelt classes, classes that a split lacks, few samples, imbalance."""
    counts = {name: images_per_class(split.records) for name, split in splits.items()}
    intended = similar_labels(sum(counts.values(), Counter()))
    if intended:
        yield _similar(intended, splits)
    yield from _missing(counts, splits)
    train = next(iter(splits.values())).records
    samples = sample_counts(train, task=task)
    for rare in intended:
        samples[intended[rare]] += samples.pop(rare, 0)
    yield from _rare(samples, task=task)


def images_per_class(records: Sequence[Record]) -> Counter[str]:
    """Images per class; an image with several classes counts for each."""
    return Counter(name for record in records for name in record.classes)


def sample_counts(records: Sequence[Record], *, task: Task) -> Counter[str]:
    """Images per class where images have labels, else objects per class, without crowds."""
    if task in CLASSIFICATION_TASKS:
        return images_per_class(records)
    objects = (item for record in records for item in record.objects)
    return Counter(item.label for item in objects if not item.is_crowd)


def similar_labels(counts: Mapping[str, int]) -> dict[str, str]:
    """Misspelt class → the one that was probably meant.

    Case, spaces, hyphens and underscores alone never tell classes apart. One letter that is wrong,
    missing, too many or swapped does, unless its class is ten times rarer; numbers always do.
    """
    intended: dict[str, str] = {}
    for first, second in combinations(sorted(counts), 2):
        rare, common = sorted((first, second), key=lambda name: (counts[name], name))
        same = _plain(rare) == _plain(common)
        if same or (
            counts[rare] * _TYPO_RARITY <= counts[common]
            and _one_edit(_plain(rare), _plain(common))
        ):
            intended.setdefault(rare, common)
    return {rare: _end(rare, intended) for rare in intended}


def _end(name: str, intended: Mapping[str, str]) -> str:
    """Follow misspellings of misspellings; counts grow along the way, so it ends."""
    while name in intended:
        name = intended[name]
    return name


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-")


def _one_edit(first: str, second: str) -> bool:
    short, long = sorted((first, second), key=len)
    if len(long) < _SHORTEST_TYPO or len(long) - len(short) > 1:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short)
    )
    here, there = short[start:], long[start:]
    if any(letter.isdigit() for letter in here[:1] + there[:1]):
        return False
    if len(short) < len(long):
        return here == there[1:]
    return here[1:] == there[1:] or (here[:2] == there[1::-1] and here[2:] == there[2:])


def _similar(intended: Mapping[str, str], splits: Splits) -> Finding:
    every = every_record(splits)
    counts = images_per_class([record for _, record in every])
    examples = tuple(
        Example(
            _first(name, [record for _, record in every]).where,
            f"{name!r} ({counted(counts[name], 'image')}) looks like {right!r} ({counts[right]})",
        )
        for name, right in intended.items()
    )
    verb = "class looks" if len(examples) == 1 else "classes look"
    return Finding(
        "similar-labels",
        Severity.WARNING,
        f"{len(examples)} {verb} like another one misspelt",
        "give one class one spelling; a misspelt class is learned as a class of its own",
        examples,
    )


def _first(name: str, records: Sequence[Record]) -> Record:
    return next(record for record in records if name in record.classes)


def _missing(counts: Mapping[str, Counter[str]], splits: Splits) -> Iterator[Finding]:
    """Classes that only one split has or, where one is yet to be split off, will have."""
    if len(counts) == 1:
        (name, found), need = next(iter(counts.items())), 2
        missing = [
            (label, name, "one image only") for label in sorted(found) if found[label] < need
        ]
    else:
        train, validation = counts
        missing = [
            (label, here, f"none in {there}")
            for here, there in ((train, validation), (validation, train))
            for label in sorted(counts[here].keys() - counts[there].keys())
        ]
    if not missing:
        return
    examples = tuple(
        Example(_first(label, splits[here].records).where, f"{label!r}: {why}")
        for label, here, why in missing
    )
    verb = "class cannot" if len(examples) == 1 else "classes cannot"
    yield Finding(
        "missing-classes",
        Severity.ERROR,
        f"{len(examples)} {verb} be both learned and judged",
        "training refuses to start: training and validation need images of every class",
        examples,
    )


def _rare(samples: Counter[str], *, task: Task) -> Iterator[Finding]:
    noun = "images" if task in CLASSIFICATION_TASKS else "objects"
    few = [(name, count) for name, count in sorted(samples.items()) if count < FEW]
    if few:
        yield Finding(
            "few-samples",
            Severity.WARNING,
            f"{counted(len(few), 'class', 'classes')} with fewer than {FEW} {noun} to learn from",
            "add some, or leave the class out: its metrics will be chance",
            tuple(Example("", f"{name!r}: {count} {noun}") for name, count in few),
        )
    if len(samples) < 2 or max(samples.values()) < _IMBALANCE * min(samples.values()):
        return
    (most, largest), *_, (least, smallest) = samples.most_common()
    by_weight = "set weighted_loss: 1 (or 2), or " if task in CLASSIFICATION_TASKS else ""
    yield Finding(
        "imbalance",
        Severity.WARNING,
        f"the largest class has {largest / max(1, smallest):.0f} times the {noun} of the smallest",
        f"{by_weight}add {noun} of the rare classes; judge by metrics per class",
        (Example("", f"{most!r}: {largest} {noun}, {least!r}: {smallest}"),),
    )
