"""Where the parts of a shared folder run lie: beside a local output, or in object storage.

Names are flat. What is created, published or delivered is there as a whole or not at all.
"""

import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from inference.errors import UsageError
from inference.remote_parts import RemoteParts
from inference.storage import is_remote


class PartStore(Protocol):
    """Small files that several processes, perhaps of several machines, work with.

    output_name is the last part of the output's path.
    """

    output_name: str

    def names(self) -> Collection[str]:
        """List what is there."""
        ...

    def stamp(self, name: str) -> object:
        """Return what changes with every write, by the store's own clock; None if not there."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return the content; None if not there."""
        ...

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file. Raises FileNotFoundError."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a new file; False if one is there already."""
        ...

    def renew(self, name: str, data: bytes) -> None:
        """Give a file that holds `data` a new stamp."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file that may be gone already."""
        ...

    def draft(self, name: str) -> Path:
        """Where on this machine's disk a file that is not yet whole is written."""
        ...

    def drafts(self, prefix: str) -> list[Path]:
        """Drafts left behind by whoever stopped, as far as this machine sees them."""
        ...

    def publish(self, draft: Path, name: str) -> None:
        """Move a draft in under its name. Raises FileNotFoundError if draft or store is gone."""
        ...

    def beside(self, name: str) -> Path | None:
        """A file where the output is, to be read on this machine; None if there is none."""
        ...

    def deliver(self, draft: Path, name: str) -> None:
        """Move a draft beside the parts, where the output is."""
        ...

    def withdraw(self, name: str) -> None:
        """Delete a file beside the parts."""
        ...

    def clear(self) -> None:
        """Delete everything here."""
        ...


def open_parts(output: str) -> PartStore:
    """Return the store of the parts of an output, a local path or a URL; it need not exist yet."""
    return RemoteParts(output) if is_remote(output) else LocalParts(Path(output))


class LocalParts:
    """A folder beside the output."""

    def __init__(self, output: Path) -> None:
        if not output.parent.is_dir():
            raise UsageError(f"folder {output.parent} for the output does not exist")
        self.output_name = output.name
        self._output = output
        self._folder = output.with_name(f"{output.name}.parts")

    def names(self) -> Collection[str]:
        """List what is there."""
        try:
            return frozenset(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return frozenset()

    def stamp(self, name: str) -> object:
        """The file's time of change, which the file system sets."""
        try:
            return (self._folder / name).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """Return the content; None if not there."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def lines(self, name: str) -> Iterator[bytes]:
        """Read line by line."""
        with (self._folder / name).open("rb") as file:
            yield from file

    def create(self, name: str, data: bytes) -> bool:
        """Link a complete file to a name that nothing has yet."""
        self._folder.mkdir(exist_ok=True)
        temporary = self.draft(f"{uuid.uuid4().hex}.tmp")
        temporary.write_bytes(data)
        try:
            (self._folder / name).hardlink_to(temporary)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def renew(self, name: str, data: bytes) -> None:
        """Touch the file."""
        os.utime(self._folder / name)

    def delete(self, name: str) -> None:
        """Delete a file that may be gone already."""
        (self._folder / name).unlink(missing_ok=True)

    def draft(self, name: str) -> Path:
        """A file in the folder itself: others find it there when this process dies."""
        return self._folder / name

    def drafts(self, prefix: str) -> list[Path]:
        """Drafts of any machine."""
        return sorted(self._folder.glob(f"{prefix}*.draft"))

    def publish(self, draft: Path, name: str) -> None:
        """Rename."""
        draft.replace(self._folder / name)

    def beside(self, name: str) -> Path | None:
        """The file itself."""
        path = self._output.with_name(name)
        return path if path.exists() else None

    def deliver(self, draft: Path, name: str) -> None:
        """Rename."""
        draft.replace(self._output.with_name(name))

    def withdraw(self, name: str) -> None:
        """Delete a file beside the parts."""
        self._output.with_name(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
