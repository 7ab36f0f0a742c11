"""One object before it is lit: colour, surface normals and outline on a square canvas."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # float32 where it is large
SIDE = 144  # pixels of a sprite's canvas; its coordinates x (right) and y (down) run from -1 to 1
_PIXEL = 2.0 / SIDE


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """albedo (S, S, 3) and alpha (S, S) in [0, 1]; normal (S, S, 3) unit vectors, z to the viewer.

    gloss in [0, 1] is the strength of its highlights.
    """

    albedo: Array
    normal: Array
    alpha: Array
    gloss: float


def grid() -> tuple[Array, Array]:
    """Coordinates x and y of every pixel's centre, each (S, S)."""
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) * _PIXEL - 1.0
    return np.meshgrid(axis, axis)


def inside(distance: Array) -> Array:
    """Coverage in [0, 1] from a distance to the outline that is positive inside; soft over 2 px."""
    return np.clip(distance / (2 * _PIXEL) + 0.5, 0.0, 1.0).astype(np.float32)


def unit(x: Array, y: Array, z: Array) -> Array:
    """Stack three components into unit vectors (S, S, 3)."""
    vectors = np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-6)


def paint(albedo: Array, color: Array, coverage: Array) -> Array:
    """Lay a colour (3,) or (S, S, 3) over an albedo where coverage (S, S) says so."""
    return albedo + (color - albedo) * coverage[..., None]


def plain(color: Array) -> Array:
    """An albedo (S, S, 3) of one colour (3,)."""
    return np.broadcast_to(color, (SIDE, SIDE, 3))


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
