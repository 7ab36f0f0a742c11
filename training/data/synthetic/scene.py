"""Scenes: objects and clutter laid on a surface, lit, photographed, with the truth about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.names import unknown_name
from training.data.synthetic.camera import photograph, random_light
from training.data.synthetic.layers import Placed, lay, random_place
from training.data.synthetic.shapes import SHAPES
from training.data.synthetic.sprite import Array, Sprite
from training.data.synthetic.surfaces import random_surface
from training.data.synthetic.things import random_thing

_SUPERSAMPLING = 1.5
_MIN_SPRITE = 144  # pixels of a sprite's side; in the picture it is sharp up to this size
_TRIES = 25
_MAX_HIDDEN = 0.15  # share of an object that one later thing may cover


@dataclass(frozen=True, slots=True, eq=False)
class SceneObject:
    """One object. box_xyxy (4,) float32 in pixels around what is visible; mask (H, W) bool."""

    label: str
    box_xyxy: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """image_rgb (H, W, 3) uint8 and the objects in it, back to front."""

    image_rgb: NDArray[np.uint8]
    objects: tuple[SceneObject, ...]


def generate_scene(
    labels: Sequence[str],
    *,
    size_hw: tuple[int, int],
    seed: int,
    sides: tuple[float, float] | None = None,
) -> Scene:
    """Draw one object per label, in any number; the same arguments give the same picture.

    sides are the smallest and largest share of the picture's short side that an object spans; by
    default a single object fills the picture. An object for which no place is found within a few
    tries is left out. Raises ValueError for an unknown label.
    """
    check_labels(labels)
    rng = np.random.default_rng(seed)
    big_hw = (round(size_hw[0] * _SUPERSAMPLING), round(size_hw[1] * _SUPERSAMPLING))
    canvas = random_surface(rng, size_hw=big_hw)
    light = random_light(rng)
    ground = canvas.mean(axis=(0, 1))
    visible: list[tuple[str, Array]] = []
    for name, share in _things(rng, labels, sides or _default_sides(len(labels))):
        side = share * min(big_hw)
        pixels = max(_MIN_SPRITE, round(side / _SUPERSAMPLING))
        sprite = random_thing(rng, name, side=pixels, ground=ground)
        place = _free_place(rng, sprite, side, [m for _, m in visible], big_hw)
        if place is not None:
            canvas = lay(canvas, sprite, place, light)
            visible = [(label, mask * (1 - place.alpha)) for label, mask in visible]
            visible += [(name, place.alpha)] if name is not None else []
    height, width = size_hw
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    objects = [_scene_object(label, mask, size_hw) for label, mask in visible]
    return Scene(photograph(np.asarray(small), rng), tuple(objects))


def check_labels(labels: Sequence[str]) -> None:
    """Raise ValueError for a label that no shape has."""
    for label in labels:
        if label not in SHAPES:
            raise ValueError(unknown_name("label", label, SHAPES))


def _default_sides(count: int) -> tuple[float, float]:
    return (0.7, 0.95) if count < 2 else (0.42, 0.56)


def _things(
    rng: np.random.Generator, labels: Sequence[str], sides: tuple[float, float]
) -> Iterator[tuple[str | None, float]]:
    """Yield (label or None, share of the short side that it spans), back to front."""
    around = int(rng.integers(0, 3))
    for label in [*[None] * around, *labels, *[None] * int(rng.random() < 0.3)]:
        yield label, rng.uniform(*(sides if label is not None else (0.15, 0.4)))


def _free_place(
    rng: np.random.Generator,
    sprite: Sprite,
    side: float,
    masks: Sequence[Array],
    size_hw: tuple[int, int],
) -> Placed | None:
    """Return a place, among a few random ones, that hides little of the objects there already."""
    areas = [float(mask.sum()) for mask in masks]
    for _ in range(_TRIES):
        place = random_place(rng, sprite, side=side, size_hw=size_hw)
        hidden = [float(np.vdot(mask, place.alpha)) for mask in masks]
        if all(part < _MAX_HIDDEN * area for part, area in zip(hidden, areas, strict=True)):
            return place
    return None


def _scene_object(label: str, mask: Array, size_hw: tuple[int, int]) -> SceneObject:
    height, width = size_hw
    small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA) > 0.5
    return SceneObject(label, box_around(small), small)


def box_around(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(4,) x1, y1, x2, y2 around what is true in a mask (H, W)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
