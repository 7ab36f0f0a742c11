"""A sprite laid into a scene: where, how large, how turned, and the shadow it throws."""

from dataclasses import dataclass

import cv2
import numpy as np

from training.data.synthetic.camera import Light, shade
from training.data.synthetic.sprite import Array, Sprite, blurred


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where a sprite goes: matrix (2, 3) from its pixels to the scene's, and what comes of that.

    turn (2, 2) is the matrix without size and place; alpha (H, W) is the sprite's in the scene.
    """

    matrix: Array
    turn: Array
    alpha: Array


def random_place(
    rng: np.random.Generator, sprite: Sprite, *, side: float, size_hw: tuple[int, int]
) -> Placed:
    """Draw a place where the sprite's canvas spans `side` pixels and is inside, up to its corners.

    Nearly all stand upright within 25 degrees; a few are turned anyhow.
    """
    height, width = size_hw
    angle = rng.uniform(-0.45, 0.45) if rng.random() < 0.94 else rng.uniform(0, 2 * np.pi)
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    rotation = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn = (np.array(rotation) @ mirror).astype(np.float32)
    pixels = len(sprite.alpha)
    linear = turn * (side / pixels)
    margin = np.minimum(0.42 * side, np.array([width, height]) / 2)
    center = rng.uniform(margin, [width, height] - margin)
    matrix = np.column_stack([linear, center - linear @ [pixels / 2, pixels / 2]]).astype(
        np.float32
    )
    return Placed(matrix, turn, _warped(sprite.alpha, matrix, size_hw))


def lay(canvas: Array, sprite: Sprite, place: Placed, light: Light) -> Array:
    """Return the canvas (H, W, 3) with the sprite's soft shadow and the lit sprite on it."""
    short = min(canvas.shape[:2])
    top, bottom, left, right = _window(
        place.matrix, len(sprite.alpha), canvas, margin=round(0.12 * short)
    )
    matrix = place.matrix - np.array([[0, 0, left], [0, 0, top]], np.float32)
    size_hw = bottom - top, right - left
    shadow = _shadow(sprite.alpha, matrix, light, size_hw=size_hw, scene_side=short)
    lit = _warped(shade(sprite, light, place.turn) * sprite.alpha[..., None], matrix, size_hw)
    ground = 1 - 0.55 * (1 - light.ambient) * shadow
    ground *= 1 - place.alpha[top:bottom, left:right]
    result = canvas.copy()
    result[top:bottom, left:right] = result[top:bottom, left:right] * ground[..., None] + lit
    return result


def _window(matrix: Array, side: int, canvas: Array, *, margin: int) -> tuple[int, int, int, int]:
    """Rows and columns (top, bottom, left, right) that a sprite and its shadow can touch."""
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ matrix.T
    x, y = corners.T
    height, width = canvas.shape[:2]
    top, left = max(0, int(y.min()) - margin), max(0, int(x.min()) - margin)
    return top, min(height, int(y.max()) + margin), left, min(width, int(x.max()) + margin)


def _shadow(
    alpha: Array, matrix: Array, light: Light, *, size_hw: tuple[int, int], scene_side: int
) -> Array:
    """A shadow away from the lamp: sharp and dark at the object, wide and faint further off."""
    total = np.zeros(size_hw, np.float32)
    for reach in (0.02 * scene_side, 0.05 * scene_side):
        moved = matrix.copy()
        moved[:, 2] -= light.direction[:2] * reach
        total += 0.5 * blurred(_warped(alpha, moved, size_hw), sigma=0.6 * reach)
    return total


def _warped(image: Array, matrix: Array, size_hw: tuple[int, int]) -> Array:
    height, width = size_hw
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR))
