"""Every image of a table read once before training, in threads, and judged as the server would."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import cpu_count
from pathlib import Path

from inference.errors import InputError
from training.data.image_looks import look_at
from training.data.parallel_reading import waits_for_network
from training.data.records import Dropped, Look, Record
from training.data.remote_images import REQUESTS, RemoteImage

Progress = Callable[[int, int], None]  # images done, images in all


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is known of one image: its version, hash, size and look, or what is wrong with it."""

    image: Path | RemoteImage
    sha256: str = ""
    size_hw: tuple[int, int] | None = None
    look: Look | None = None
    problem: str = ""


def check_images(
    rows: Sequence[Record | Dropped], *, progress: Progress | None = None
) -> list[Record | Dropped]:
    """Read every record's image; one that is missing or cannot be decoded drops its record.

    Raises ImageUnavailable where a store cannot be asked: that is no fault of the image.

    The whole file is decoded: a truncated image has a header as good as any. A file that several
    records name is read once. The order stays.
    """
    records = [row for row in rows if isinstance(row, Record)]
    images = sorted({record.image for record in records}, key=str)
    findings: dict[Path | RemoteImage, _Finding] = {}
    threads = REQUESTS if waits_for_network(records) else cpu_count()
    with ThreadPoolExecutor(threads) as pool:
        for image, finding in zip(images, pool.map(_inspect, images), strict=True):
            findings[image] = finding
            if progress is not None:
                progress(len(findings), len(images))
    return [_checked(row, findings[row.image]) if isinstance(row, Record) else row for row in rows]


def _checked(record: Record, finding: _Finding) -> Record | Dropped:
    if finding.problem:
        return Dropped(record.where, str(record.image), finding.problem)
    return replace(
        record,
        image=finding.image,
        sha256=finding.sha256,
        size_hw=finding.size_hw,
        look=finding.look,
    )


def _inspect(image: Path | RemoteImage) -> _Finding:
    try:
        if isinstance(image, RemoteImage):
            image = image.versioned()
        data = image.read_bytes()
        look, size_hw = look_at(data)
    except FileNotFoundError:
        return _Finding(image, problem=f"the image {image} does not exist")
    except OSError as error:
        return _Finding(image, problem=f"the image {image} cannot be read: {error.strerror}")
    except ValueError as error:  # a name that no file can have: it holds a zero byte
        return _Finding(image, problem=f"the image {str(image)!r} cannot be read: {error}")
    except InputError as error:
        return _Finding(image, problem=f"{image}: {error}")
    return _Finding(image, hashlib.sha256(data).hexdigest(), size_hw, look)
