"""Rings, the closed polygons around an object, cut at the border of an image."""

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float32]  # (k, 2), the corners x, y in pixels


def clipped(ring: Ring, size_hw: tuple[int, int]) -> Ring:
    """What lies of a ring on an image; (0, 2) if nothing does."""
    for axis, length in enumerate(reversed(size_hw)):
        if len(ring) and ring[:, axis].min() < 0.0:
            ring = _clipped_at(ring, axis, 0.0, 1.0)
        if len(ring) and ring[:, axis].max() > length:
            ring = _clipped_at(ring, axis, float(length), -1.0)
    return ring


def _clipped_at(ring: Ring, axis: int, limit: float, sign: float) -> Ring:
    """What lies of a ring where sign · (coordinate - limit) >= 0.

    Sutherland & Hodgman (1974): corners inside stay, and an edge that crosses the limit gives one.
    """
    following = np.roll(ring, -1, axis=0)
    here, there = (sign * (points[:, axis] - limit) for points in (ring, following))
    crosses = (here >= 0) != (there >= 0)
    share = here / np.where(crosses, here - there, 1.0)
    crossings = ring + share[:, None] * (following - ring)
    crossings[:, axis] = limit
    points = np.stack([ring, crossings], axis=1).reshape(-1, 2)
    chosen = np.stack([here >= 0, crosses], axis=1).ravel()
    return points[chosen].astype(np.float32)
