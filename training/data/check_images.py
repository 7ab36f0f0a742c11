"""Every image of a table read once before training, in threads, and judged as the server would."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import cpu_count
from pathlib import Path

from inference.errors import InputError
from training.data.image_looks import look_at
from training.data.records import Dropped, Look, Record

Progress = Callable[[int, int], None]  # images done, images in all


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is known of one file: its hash, size and look, or what is wrong with it."""

    sha256: str = ""
    size_hw: tuple[int, int] | None = None
    look: Look | None = None
    problem: str = ""


def check_images(
    rows: Sequence[Record | Dropped], *, progress: Progress | None = None
) -> list[Record | Dropped]:
    """Read every record's image; one that is missing or cannot be decoded drops its record.

    The whole file is decoded: a truncated image has a header as good as any. A file that several
    records name is read once. The order stays.
    """
    paths = sorted({row.image for row in rows if isinstance(row, Record)})
    findings: dict[Path, _Finding] = {}
    with ThreadPoolExecutor(max_workers=cpu_count()) as pool:
        for path, finding in zip(paths, pool.map(_inspect, paths), strict=True):
            findings[path] = finding
            if progress is not None:
                progress(len(findings), len(paths))
    return [_checked(row, findings[row.image]) if isinstance(row, Record) else row for row in rows]


def _checked(record: Record, finding: _Finding) -> Record | Dropped:
    if finding.problem:
        return Dropped(record.where, str(record.image), finding.problem)
    return replace(record, sha256=finding.sha256, size_hw=finding.size_hw, look=finding.look)


def _inspect(path: Path) -> _Finding:
    try:
        data = path.read_bytes()
        look, size_hw = look_at(data)
    except FileNotFoundError:
        return _Finding(problem=f"the image {path} does not exist")
    except OSError as error:
        return _Finding(problem=f"the image {path} cannot be read: {error.strerror}")
    except ValueError as error:  # a name that no file can have: it holds a zero byte
        return _Finding(problem=f"the image {str(path)!r} cannot be read: {error}")
    except InputError as error:
        return _Finding(problem=f"{path}: {error}")
    return _Finding(hashlib.sha256(data).hexdigest(), size_hw, look)
