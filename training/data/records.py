"""What is left of a table of labelled images once it is read: records, and what was dropped."""

from dataclasses import dataclass
from pathlib import Path

from training.data.remote_images import RemoteImage


@dataclass(frozen=True, slots=True)
class ObjectLabel:
    """One object of an image.

    `box` (x1, y1, x2, y2) and `polygons`, rings of ((x1, y1, x2, y2, …), …), are ratios 0…1 of the
    image's width and height. A crowd marks a region that is neither learned nor judged.
    """

    label: str
    box: tuple[float, float, float, float]
    is_crowd: bool = False
    polygons: tuple[tuple[float, ...], ...] = ()


# One class; any number of them, sorted; or any number of objects.
Label = str | tuple[str, ...] | tuple[ObjectLabel, ...]


def classes_of(label: Label) -> tuple[str, ...]:
    """Return the distinct classes that a label names, sorted."""
    if isinstance(label, str):
        return (label,)
    return tuple(sorted({item if isinstance(item, str) else item.label for item in label}))


LOOK_SIDE = 32  # pixels of a miniature's side


@dataclass(frozen=True, slots=True)
class Look:
    """What one image file holds, beside its size.

    mode: Pillow's ("RGB", "CMYK", "I;16"). orientation: EXIF's, 1 for upright. frames: pages or
    pictures of an animation. miniature: LOOK_SIDE² grey values of the upright image, row by row.
    """

    mode: str
    orientation: int = 1
    frames: int = 1
    transparent: bool = False
    miniature: bytes = b""


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image. `image` is an absolute path or remote, `where` is "file.jsonl:12".

    `sha256` is that of the image file's bytes and `size_hw` the upright image's height and width
    in pixels; these and the look are empty until the image was checked.
    """

    image: Path | RemoteImage
    label: Label
    where: str
    sha256: str = ""
    size_hw: tuple[int, int] | None = None
    look: Look | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the image, however many the task allows."""
        return classes_of(self.label)

    @property
    def objects(self) -> tuple[ObjectLabel, ...]:
        """The objects of the image; none where the label is about the image as a whole."""
        return tuple(item for item in self.label if isinstance(item, ObjectLabel))


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
