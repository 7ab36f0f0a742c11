"""Images in object storage, read through fsspec into memory, with a cache on disk."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from inference.files import write_bytes_atomically
from inference.storage import open_storage, steadily
from training.data.image_cache import image_cache

REQUESTS = 32  # at a time: at 50 ms each, 600 images per second
_VERSION_KEYS = ("ETag", "etag", "content_md5", "md5Hash", "generation", "mtime", "LastModified")


class ImageUnavailable(UsageError):
    """A remote image cannot be read; what it says is one line, also out of a data worker.

    There PyTorch raises it once more, with a whole traceback for its text.
    """

    def __init__(self, text: str) -> None:
        last_line = text.strip().rpartition("\n")[2]
        super().__init__(last_line.removeprefix(f"{__name__}.{type(self).__name__}: "))


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An object with an image in it.

    `version` is the object's entity tag or time of change, and its size; empty until it was asked
    for. With it the image is found in the cache without asking the store.
    """

    url: str
    version: str = ""

    @property
    def name(self) -> str:
        """The last part of the URL's path."""
        return self.url.partition("?")[0].rpartition("/")[2]

    def __str__(self) -> str:
        return self.url

    def read_bytes(self) -> bytes:
        """Return the image file from the cache or the store.

        Raises FileNotFoundError, and ImageUnavailable for every other trouble.
        """
        return image_cache().get(self._key(), self._fetch)

    def versioned(self) -> "RemoteImage":
        """Ask the store for the version. Raises as read_bytes does."""
        return replace(self, version=_version(self.facts()))

    def facts(self) -> Mapping[str, Any]:
        """What the store says of the object, "size" in bytes for one."""
        facts: Mapping[str, Any] = _asked(self.url, lambda files, path: files.info(path))
        return facts

    def downloaded(self, folder: Path, facts: Mapping[str, Any]) -> Path:
        """Write the object into a folder, unless this version of it is there; return its path."""
        path = self.path_in(folder, facts)
        if not path.exists():
            write_bytes_atomically(path, self._fetch())
        return path

    def path_in(self, folder: Path, facts: Mapping[str, Any]) -> Path:
        """Where the version of these facts is downloaded to."""
        key = replace(self, version=_version(facts))._key()
        return folder / f"{key[:16]}-{self.name[-100:]}"

    def _key(self) -> str:
        return hashlib.sha256(f"{self.url}\n{self.version}".encode()).hexdigest()[:40]

    def _fetch(self) -> bytes:
        data: bytes = _asked(self.url, lambda files, path: files.cat_file(path))
        return data


def _asked(url: str, action: Callable[[Any, str], Any]) -> Any:
    try:
        files, path = open_storage(url)
        return steadily(lambda: action(files, path), url=f"image {url}")
    except FileNotFoundError:
        raise
    except (UsageError, OSError) as error:
        raise ImageUnavailable(str(error)) from None


def _version(facts: Mapping[str, Any]) -> str:
    known = [str(facts[key]) for key in _VERSION_KEYS if facts.get(key)]
    return " ".join([*known[:1], str(facts.get("size"))])
