"""Image files kept on this machine's disk: never more than a limit, the least recently used go."""

import fcntl
import functools
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from inference.errors import UsageError

FOLDER_VARIABLE, LIMIT_VARIABLE = "SIGHTLINE_IMAGE_CACHE", "SIGHTLINE_IMAGE_CACHE_GB"
DEFAULT_FOLDER = Path("~/.cache/sightline/images")
DEFAULT_GB = 20.0
_FULL = 0.9  # of the limit is left after making room, so that room is not made for every image
_LOCK = ".lock"  # its content: bytes of all entries, or more after a crash


class ImageCache:
    """Entries by key in a folder that any number of processes and threads share.

    Entries appear as a whole, under a lock that writers alone take. Reading marks an entry as used.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes

    def get(self, key: str, fetch: Callable[[], bytes]) -> bytes:
        """Return an entry; what is not there yet is fetched and kept.

        A disk that is full or cannot be written to costs speed only. Raises what `fetch` raises.
        """
        path = self._folder / key
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:  # not there, or the disk is no help
            data = fetch()
            self._keep(path, data)
        return data

    def _keep(self, path: Path, data: bytes) -> None:
        if len(data) > self._limit:
            return
        temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._locked() as file:
                if path.exists():  # another process was faster
                    return
                total = int(file.read() or _total(self._folder)) + len(data)
                if total > self._limit:
                    total = self._make_room(len(data)) + len(data)
                _write_number(file, total)  # first: after a crash it is too high, never too low
                temporary.write_bytes(data)
                temporary.replace(path)
        except OSError:
            _discard(temporary)

    def _make_room(self, needed: int) -> int:
        """Delete entries, longest unused first; return how many bytes are left."""
        for orphan in self._folder.glob(".*.tmp"):  # a writer died: the lock is ours
            orphan.unlink(missing_ok=True)
        entries = sorted(_entries(self._folder))
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total + needed <= max(_FULL * self._limit, needed):
                break
            path.unlink(missing_ok=True)
            total -= size
        return total

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with (self._folder / _LOCK).open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _entries(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """(time of last use, bytes, path) of all entries."""
    with os.scandir(folder) as found:
        for entry in found:
            if not entry.name.startswith("."):
                facts = entry.stat()
                yield facts.st_mtime_ns, facts.st_size, Path(entry.path)


def _total(folder: Path) -> int:
    return sum(size for _, size, _ in _entries(folder))


def _write_number(file: BinaryIO, number: int) -> None:
    file.seek(0)
    file.truncate()
    file.write(str(number).encode())
    file.flush()


def cache_folder() -> Path:
    """Where remote images are kept: $SIGHTLINE_IMAGE_CACHE, or a folder in the user's cache."""
    return Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER).expanduser()


@functools.cache
def image_cache() -> ImageCache:
    """This process's view of the cache of streamed images.

    Raises UsageError when $SIGHTLINE_IMAGE_CACHE_GB is no number of gigabytes.
    """
    given = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_GB)
    try:
        limit = int(float(given) * 1e9)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise UsageError(
            f"{LIMIT_VARIABLE} must be a number of gigabytes, 0 or more, got {given!r}"
        )
    return ImageCache(cache_folder() / "streamed", limit_bytes=limit)
