"""Images that cannot be read, and those that are read otherwise than they look elsewhere."""

from collections.abc import Callable, Iterator, Sequence

from training.data.doctor.findings import (
    Example,
    Finding,
    Severity,
    Splits,
    counted_finding,
    dropped_example,
    every_record,
    example_of,
)
from training.data.records import Look, Record

LARGE_PIXELS = 16_000_000  # a JPEG of that many takes 100 ms and more to decode, in every epoch
_MODES_16_BIT = ("I", "F")  # Pillow's: whole numbers and floats, beside I;16 and its variants


def image_findings(splits: Splits, *, has_objects: bool) -> Iterator[Finding]:
    """What was dropped, then what the files are like."""
    yield from _dropped(splits)
    every = [record for _, record in every_record(splits)]
    for code, severity, matches, title, advice in _KINDS:
        found = [record for record in every if record.look and matches(record.look)]
        if code == "rotated" and has_objects:
            severity = Severity.WARNING
        yield from counted_finding(code, severity, "image", title, advice, _examples(found))
    large = [r for r in every if r.size_hw and r.size_hw[0] * r.size_hw[1] > LARGE_PIXELS]
    yield from counted_finding(
        "large-images",
        Severity.NOTE,
        "image",
        f"of more than {LARGE_PIXELS // 10**6} megapixels",
        "every epoch decodes them anew: copies with a long side of 2000 pixels train faster, "
        "unless objects are small",
        _examples(large),
    )


def _dropped(splits: Splits) -> Iterator[Finding]:
    yield from counted_finding(
        "unreadable-images",
        Severity.ERROR,
        "image",
        "cannot be read",
        "training leaves them out: bring or replace the files; --fix drops the lines",
        [dropped_example(item) for split in splits.values() for item in split.unreadable],
    )
    yield from counted_finding(
        "bad-lines",
        Severity.ERROR,
        "line",
        "cannot be used",
        "training leaves them out: correct them; --fix drops them",
        [dropped_example(item) for split in splits.values() for item in split.bad_lines],
    )


def _examples(records: Sequence[Record]) -> list[Example]:
    return [example_of(record, _facts(record)) for record in records]


def _facts(record: Record) -> str:
    height, width = record.size_hw or (0, 0)
    look = record.look or Look("")
    return f"{width}×{height}, {look.mode}" + (f", {look.frames} frames" * (look.frames > 1))


_KINDS: tuple[tuple[str, Severity, Callable[[Look], bool], str, str], ...] = (
    (
        "sixteen-bit",
        Severity.WARNING,
        lambda look: look.mode in _MODES_16_BIT or look.mode.startswith("I;16"),
        "of 16 or more bits per pixel",
        "the high byte alone is used, so dim images turn black: stretch them to 8 bits yourself",
    ),
    (
        "several-frames",
        Severity.WARNING,
        lambda look: look.frames > 1,
        "with several frames or pages",
        "only the first is used: save the frames that matter as images of their own",
    ),
    (
        "rotated",
        Severity.NOTE,
        lambda look: look.orientation not in (0, 1),
        "turned by EXIF",
        "they are turned upright on reading, here and on the server; make sure that boxes were "
        "drawn on the upright image (see --page)",
    ),
    (
        "cmyk",
        Severity.NOTE,
        lambda look: look.mode == "CMYK",
        "in CMYK",
        "made for print, and converted without a colour profile: colours may be off; save as RGB",
    ),
    (
        "transparent",
        Severity.NOTE,
        lambda look: look.transparent,
        "with transparency",
        "it is ignored, and what lies hidden below it is seen: flatten them where that matters",
    ),
)
