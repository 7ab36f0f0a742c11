"""The parts of a shared folder run in object storage: a PartStore below the output's own name."""

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

from inference.errors import UsageError
from inference.storage import open_storage, steadily

Value = TypeVar("Value")


class RemoteParts:
    """Objects below the output's own name; a lease is a conditional put (If-None-Match)."""

    def __init__(self, output: str) -> None:
        if output.lower().startswith("http"):
            raise UsageError(f"{output}: a web server cannot be written to; give another --output")
        self._url = output
        self.output_name = output.rpartition("/")[2]
        self._files, self._path = open_storage(output)
        self._folder = f"{self._path}.parts"
        self._temporary = Path(tempfile.mkdtemp(prefix="sightline-parts-"))
        weakref.finalize(self, shutil.rmtree, self._temporary, ignore_errors=True)

    def names(self) -> Collection[str]:
        """List what is there."""
        try:
            found = self._steadily(lambda: self._files.ls(self._folder, detail=False))
        except FileNotFoundError:
            return frozenset()
        return frozenset(path.rsplit("/", 1)[-1] for path in found)

    def stamp(self, name: str) -> object:
        """The object's time of change, which the store sets."""
        try:
            return str(self._steadily(lambda: self._files.modified(self._at(name))))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """Return the content; None if not there."""
        try:
            data: bytes = self._steadily(lambda: self._files.cat_file(self._at(name)))
        except FileNotFoundError:
            return None
        return data

    def lines(self, name: str) -> Iterator[bytes]:
        """Read as a whole."""
        data = self.read(name)
        if data is None:
            raise FileNotFoundError(name)
        yield from data.splitlines(keepends=True)

    def create(self, name: str, data: bytes) -> bool:
        """Put on the condition that there is no such object."""
        try:
            self._steadily(lambda: self._files.pipe_file(self._at(name), data, mode="create"))
        except FileExistsError:
            return False
        return True

    def renew(self, name: str, data: bytes) -> None:
        """Put it once more."""
        self._steadily(lambda: self._files.pipe_file(self._at(name), data))

    def delete(self, name: str) -> None:
        """Delete an object that may be gone already."""
        self._remove(self._at(name))

    def draft(self, name: str) -> Path:
        """A file of this process alone: objects cannot be appended to."""
        return self._temporary / name

    def drafts(self, prefix: str) -> list[Path]:
        """None: those of others cannot be seen."""
        return []

    def publish(self, draft: Path, name: str) -> None:
        """Upload."""
        self._steadily(lambda: self._files.put_file(str(draft), self._at(name)))
        draft.unlink()

    def beside(self, name: str) -> Path | None:
        """A copy of the object."""
        copy = self.draft(f"copy-of-{name}")
        try:
            self._steadily(lambda: self._files.get_file(self._beside(name), str(copy)))
        except FileNotFoundError:
            return None
        return copy

    def deliver(self, draft: Path, name: str) -> None:
        """Upload."""
        self._steadily(lambda: self._files.put_file(str(draft), self._beside(name)))

    def withdraw(self, name: str) -> None:
        """Delete an object beside the parts."""
        self._remove(self._beside(name))

    def clear(self) -> None:
        """Delete the objects."""
        for name in self.names():
            self.delete(name)

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _beside(self, name: str) -> str:
        return f"{self._path.rpartition('/')[0]}/{name}"

    def _remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._steadily(lambda: self._files.rm_file(path))

    def _steadily(self, action: Callable[[], Value]) -> Value:
        return steadily(action, url=self._url)
