"""The remote images of a table downloaded before they are used, if there is space for them."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from training.data.image_cache import cache_folder
from training.data.records import Dropped, Record
from training.data.remote_images import REQUESTS, RemoteImage

_SPARE_BYTES = 2**30  # of free space that a download leaves alone


def download(
    rows: Sequence[Record | Dropped], *, progress: Callable[[int, int], None] | None = None
) -> list[Record | Dropped]:
    """Download the remote images of all records and let the records name the files.

    What an earlier call has downloaded is not read again; an object that does not exist stays
    remote. Raises UsageError when the disk has not the space, before anything is written, and
    ImageUnavailable.
    """
    images = list(dict.fromkeys(_remote_images(rows)))
    if not images:
        return list(rows)
    folder = cache_folder() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(REQUESTS) as pool:
        facts = dict(zip(images, pool.map(_facts, images), strict=True))
        _check_space(folder, facts)
        paths: dict[RemoteImage, Path] = {}
        there = [image for image in images if facts[image] is not None]
        found = pool.map(lambda image: image.downloaded(folder, facts[image] or {}), there)
        for image, path in zip(there, found, strict=True):
            paths[image] = path
            if progress is not None:
                progress(len(paths), len(there))
    return [_with_file(row, paths) for row in rows]


def _remote_images(rows: Iterable[Record | Dropped]) -> Iterable[RemoteImage]:
    for row in rows:
        if isinstance(row, Record) and isinstance(row.image, RemoteImage):
            yield row.image


def _facts(image: RemoteImage) -> Mapping[str, Any] | None:
    try:
        return image.facts()
    except FileNotFoundError:
        return None


def _check_space(folder: Path, facts: Mapping[RemoteImage, Mapping[str, Any] | None]) -> None:
    missing = [
        known
        for image, known in facts.items()
        if known is not None and not image.path_in(folder, known).exists()
    ]
    needed = sum(int(known.get("size") or 0) for known in missing)
    free = shutil.disk_usage(folder).free
    if needed + _SPARE_BYTES > free:
        raise UsageError(
            f"{len(missing)} images of {needed / 1e9:.1f} GB are to be downloaded into {folder}, "
            f"where {free / 1e9:.1f} GB are free and 1 GB must stay free: make space, set "
            "SIGHTLINE_IMAGE_CACHE to a folder on another disk, or read them as they are needed "
            "with `stream_image_files: true`"
        )


def _with_file(row: Record | Dropped, paths: Mapping[RemoteImage, Path]) -> Record | Dropped:
    if isinstance(row, Record) and isinstance(row.image, RemoteImage) and row.image in paths:
        return replace(row, image=paths[row.image])
    return row
