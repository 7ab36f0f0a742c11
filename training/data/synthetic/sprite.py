"""One object before it is lit: colour, surface normals and outline on a square canvas."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # float32 where it is large


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """albedo (S, S, 3) and alpha (S, S) in [0, 1]; normal (S, S, 3) unit vectors, z to the viewer.

    S pixels span coordinates x (right) and y (down) from -1 to 1. An albedo (3,) is one colour all
    over. gloss in [0, 1] is the strength of its highlights.
    """

    albedo: Array
    normal: Array
    alpha: Array
    gloss: float


def grid(side: int) -> tuple[Array, Array]:
    """Coordinates x and y of every pixel's centre, each (side, side)."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) * (2.0 / side) - 1.0
    return np.meshgrid(axis, axis)


def inside(distance: Array) -> Array:
    """Coverage (S, S) from a distance to the outline that is positive inside; soft over 2 px."""
    return np.clip(distance * (len(distance) / 4) + 0.5, 0.0, 1.0).astype(np.float32)


def unit(x: Array, y: Array, z: Array) -> Array:
    """Stack three components into unit vectors (S, S, 3)."""
    vectors = np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-6)


def paint(albedo: Array, color: Array, coverage: Array) -> Array:
    """Lay a colour over an albedo, each (3,) or (S, S, 3), where coverage (S, S) says so."""
    return albedo + (color - albedo) * coverage[..., None]


def blurred(image: Array, *, sigma: float) -> Array:
    """Blur by a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def over(top: Sprite, bottom: Sprite) -> Sprite:
    """Put one sprite before another; the gloss is the top one's."""
    seen = top.alpha[..., None]
    return Sprite(
        albedo=bottom.albedo + (top.albedo - bottom.albedo) * seen,
        normal=bottom.normal + (top.normal - bottom.normal) * seen,
        alpha=top.alpha + bottom.alpha * (1 - top.alpha),
        gloss=top.gloss,
    )
