"""What is left of a table of labelled images once it is read: records, and what was dropped."""

from dataclasses import dataclass
from pathlib import Path

Label = str | tuple[str, ...]  # one class, or any number of them, sorted


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image. `image` is absolute, `where` is "file.jsonl:12".

    `sha256` is that of the image file's bytes; it is empty until the image was checked.
    """

    image: Path
    label: Label
    where: str
    sha256: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the image, however many the task allows."""
        return (self.label,) if isinstance(self.label, str) else self.label


@dataclass(frozen=True, slots=True)
class Dropped:
    """One record that cannot be used: where it stands, which image it names, and why."""

    where: str
    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A table's usable records and the ones that were dropped, both in the table's order."""

    records: tuple[Record, ...]
    dropped: tuple[Dropped, ...]
