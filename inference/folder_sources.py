"""Where the images of a folder run come from: a folder, one file, or a prefix of object storage."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inference.errors import UsageError
from inference.folder_files import find_images, is_image_name
from inference.predictor import Source
from inference.storage import is_remote, open_storage, steadily

_READERS = 32  # requests at a time: at 50 ms each, 600 images per second
_AHEAD = 64  # images


class ImageSource(Protocol):
    """Images by name; picklable, for other processes read from it too."""

    def names(self) -> list[str]:
        """List the images, sorted. Raises UsageError when that is not possible."""
        ...

    def images(self, names: Sequence[str]) -> Iterable[Source]:
        """Give the named images in order; what cannot be read fails when it is read."""
        ...


def open_source(address: str) -> ImageSource:
    """Open a local folder or image file, or a remote prefix or image. Nothing is read yet."""
    if is_remote(address):
        prefix, _, name = address.rpartition("/")
        is_image = is_image_name(name)
        return RemoteImages(prefix if is_image else address, only=name if is_image else None)
    path = Path(address)
    return LocalFile(path) if path.is_file() else LocalFolder(path)


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """The image files below a folder, named by their path relative to it."""

    folder: Path

    def names(self) -> list[str]:
        """List them, hidden ones left out."""
        return find_images(self.folder)

    def images(self, names: Sequence[str]) -> Iterable[Source]:
        """Paths; the decode pool reads them."""
        return (self.folder / name for name in names)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One image file."""

    path: Path

    def names(self) -> list[str]:
        """Its name, whatever its suffix: it was asked for."""
        return [self.path.name]

    def images(self, names: Sequence[str]) -> Iterable[Source]:
        """The path, for each name."""
        return (self.path.with_name(name) for name in names)


@dataclass(frozen=True, slots=True)
class RemoteImages:
    """The images below a prefix of an object store, or `only` one, read ahead in threads."""

    url: str
    only: str | None = None

    def names(self) -> list[str]:
        """List the objects whose names end as those of images do, relative to the prefix."""
        if self.only is not None:
            return [self.only]
        files, root = open_storage(self.url)
        try:
            found = steadily(lambda: files.find(root), url=self.url)
        except FileNotFoundError as error:
            raise UsageError(f"{self.url} does not exist ({error})") from None
        if not found:
            raise UsageError(f"{self.url} holds no object, or cannot be listed")
        below = (path.removeprefix(root).lstrip("/") for path in found)
        return sorted(name for name in below if is_image_name(name))

    def images(self, names: Sequence[str]) -> Iterator[Source]:
        """Reads that have begun; at most 64 images wait in memory."""
        files, root = open_storage(self.url)

        def read(name: str) -> bytes:
            path = f"{root.rstrip('/')}/{name}"
            data: bytes = steadily(lambda: files.cat_file(path), url=f"{self.url} ({name})")
            return data

        with ThreadPoolExecutor(_READERS, "read") as pool:
            window: deque[Future[bytes]] = deque()
            try:
                for name in names:
                    window.append(pool.submit(read, name))
                    if len(window) >= _AHEAD:
                        yield _Begun(window.popleft())
                while window:
                    yield _Begun(window.popleft())
            except BaseException:  # nobody wants the rest; at the end all is wanted and still read
                pool.shutdown(wait=False, cancel_futures=True)
                raise


@dataclass(frozen=True, slots=True)
class _Begun:
    """An image that is being read."""

    data: Future[bytes]

    def read_bytes(self) -> bytes:
        """Wait for it; raises what reading it raised."""
        return self.data.result()
