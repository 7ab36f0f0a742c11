"""Files that are written together or not at all."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deploy.errors import UsageError


def write_together(folder: Path, texts: Mapping[str, str]) -> None:
    """Write relative path → text below `folder`, which is made if it is missing.

    Every text is on the disk before the first file is replaced, so that a full disk or a missing
    right leaves the old files as they were. Raises UsageError.
    """
    written: dict[Path, Path] = {}
    try:
        for name, text in texts.items():
            written[_temporary(folder / name, text)] = folder / name
        for temporary, path in written.items():
            temporary.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or folder}: {error.strerror}") from None
    finally:
        for temporary in written:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _temporary(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).chmod(0o644)  # mkstemp's 0600 would hide it from the proxy's user
    return Path(name)
