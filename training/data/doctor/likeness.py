"""Which images are copies of one another: correlation of miniatures.

A copy that was resized, compressed again or made brighter keeps the correlation of its 32×32
brightness values over 0.99; two photos of the same things from nearly the same place had 0.955 at
most (212 photos of fridges, 22 366 pairs), so 0.98 parts them. Correlations of 8×8 values, which
one matrix product gives for all pairs, choose the candidates that are looked at closely.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.records import LOOK_SIDE, Record

_ALIKE = 0.98
_COARSE_SIDE = 8
_FLAT = 4.0  # grey levels of standard deviation; below, noise decides what correlates
_ROWS = 512  # of the matrix of all pairs, at a time
_CANDIDATES = 4  # that are looked at closely, per image

Miniatures = NDArray[np.uint8]  # (n, 32, 32)


def miniatures_of(records: Sequence[Record]) -> Miniatures:
    """(n, 32, 32) grey values; all zero for an image that was not looked at."""
    blank = bytes(LOOK_SIDE * LOOK_SIDE)
    looks = [record.look.miniature if record.look else blank for record in records]
    values = np.frombuffer(b"".join(looks), np.uint8)
    return values.reshape(len(looks), LOOK_SIDE, LOOK_SIDE)


def closest_copies(
    images: Miniatures, of: Miniatures | None = None
) -> list[tuple[int, int, float]]:
    """(image, original, correlation) for every image that is a copy, with one that it is like.

    Originals are those of `of`, or without it the images that stand before. Images without
    contrast are copies of nothing.
    """
    others = images if of is None else of
    if not len(others):
        return []
    rows, columns = _coarse(images), _coarse(others)
    found = []
    for start in range(0, len(images), _ROWS):
        end = start + _ROWS
        likeness = rows[start:end] @ (columns if of is not None else columns[:end]).T  # (rows, m)
        if of is None:
            likeness[:, start:] = np.tril(likeness[:, start:] + 1, -1) - 1  # -1 from itself on
        found += _confirmed(images[start:end], others, likeness, start)
    return found


def _confirmed(
    images: Miniatures, others: Miniatures, likeness: NDArray[np.float32], start: int
) -> list[tuple[int, int, float]]:
    """The closest of each image's candidates, best first, that passes a close look."""
    found = []
    open_rows = np.arange(len(images))
    for _ in range(_CANDIDATES):
        best = likeness[open_rows].argmax(axis=1)
        is_candidate = likeness[open_rows, best] >= _ALIKE
        open_rows, best = open_rows[is_candidate], best[is_candidate]
        close = (_unit(images[open_rows]) * _unit(others[best])).sum(axis=1)
        good = close >= _ALIKE
        pairs = zip(open_rows[good], best[good], close[good], strict=True)
        found += [(start + int(row), int(original), float(value)) for row, original, value in pairs]
        likeness[open_rows, best] = -1.0
        open_rows = open_rows[~good]
    return sorted(found)


def _coarse(images: Miniatures) -> NDArray[np.float32]:
    block = LOOK_SIDE // _COARSE_SIDE
    return _unit(
        images.reshape(-1, _COARSE_SIDE, block, _COARSE_SIDE, block).mean(axis=(2, 4), dtype="f4")
    )


def _unit(images: NDArray[np.float32] | Miniatures) -> NDArray[np.float32]:
    """Rows without mean and of length 1, so that products are correlations; 0 where flat."""
    rows = images.reshape(len(images), int(np.prod(images.shape[1:]))).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = lengths < _FLAT * np.sqrt(rows.shape[1])
    return np.where(flat, 0, rows / np.maximum(lengths, 1e-6)).astype(np.float32)
