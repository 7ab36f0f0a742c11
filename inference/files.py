"""Files that a crash cannot leave half-written, and JSON whose errors name the file."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Protocol

from inference.errors import ModelFolderError


class Readable(Protocol):
    """A file wherever it is; a pathlib.Path for one."""

    def read_bytes(self) -> bytes:
        """Return what it holds. Raises OSError."""
        ...


def write_text_atomically(path: Path, text: str) -> None:
    """Write to a temporary file beside `path` and rename it, so that readers see all or nothing."""
    write_bytes_atomically(path, text.encode())


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """As write_text_atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """Parse a JSON file. Raises ModelFolderError that names the file and, if bad, the place."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFolderError(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelFolderError(f"{path} is not valid JSON: {error}") from None


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
