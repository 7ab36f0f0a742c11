"""What the objects lie on: wood, cloth, stone, tiles, and a blurred room."""

from collections.abc import Callable

import cv2
import numpy as np

from training.data.synthetic.color import surface_color, wood_color
from training.data.synthetic.sprite import Array, blurred

Size = tuple[int, int]  # height, width in pixels


def random_surface(rng: np.random.Generator, *, size_hw: Size) -> Array:
    """Draw one surface, more or less in focus: (H, W, 3) in [0, 1]."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    surface = np.clip(kind(rng, size_hw), 0.0, 1.0).astype(np.float32)
    return blurred(surface, sigma=min(size_hw) * rng.uniform(0.002, 0.012))


def noise(rng: np.random.Generator, *, size_hw: Size, cells: Size, octaves: int = 4) -> Array:
    """Smooth fractal noise (H, W) around 0: each octave has twice the cells and half the height."""
    height, width = size_hw
    total = np.zeros(size_hw, np.float32)
    for octave in range(octaves):
        shape = (cells[0] * 2**octave + 1, cells[1] * 2**octave + 1)
        coarse = rng.uniform(-1, 1, size=shape).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return total / 2


def _wood(rng: np.random.Generator, size_hw: Size) -> Array:
    width = size_hw[1]
    planks = int(rng.integers(2, 5))
    across = np.linspace(0, planks, width, endpoint=False)
    grain = noise(rng, size_hw=size_hw, cells=(2, 14), octaves=4) * 0.16
    tint = rng.uniform(-0.07, 0.07, size=planks)[across.astype(int)]
    seam = np.where(across % 1 < 0.025, -0.22, 0.0)
    shade = grain + (tint + seam)[None, :]
    return _turned(rng, wood_color(rng) * (1 + shade)[..., None])


def _cloth(rng: np.random.Generator, size_hw: Size) -> Array:
    y, x = np.mgrid[: size_hw[0], : size_hw[1]].astype(np.float32)
    pitch = size_hw[1] / rng.uniform(45, 80)
    weave = np.sin(2 * np.pi * x / pitch) * np.sin(2 * np.pi * y / pitch) * 0.05
    folds = noise(rng, size_hw=size_hw, cells=(2, 2), octaves=2) * 0.2
    cloth = surface_color(rng) * (1 + weave + folds)[..., None]
    if rng.random() < 0.5:
        stripes = (np.sin(2 * np.pi * x / (pitch * rng.uniform(8, 20))) > 0.3)[..., None]
        cloth = np.where(stripes, cloth * 0.65 + surface_color(rng) * 0.35, cloth)
    return _turned(rng, cloth)


def _stone(rng: np.random.Generator, size_hw: Size) -> Array:
    base = noise(rng, size_hw=size_hw, cells=(3, 3), octaves=5)
    vein = np.exp(-((noise(rng, size_hw=size_hw, cells=(2, 2), octaves=5) / 0.03) ** 2))
    color, other = surface_color(rng), surface_color(rng)
    return color * (1 + 0.25 * base)[..., None] * (1 - 0.25 * vein)[..., None] + other * 0.05


def _tiles(rng: np.random.Generator, size_hw: Size) -> Array:
    y, x = np.mgrid[: size_hw[0], : size_hw[1]].astype(np.float32) / size_hw[1]
    count = rng.uniform(2.5, 5)
    u, v = x * count + rng.random(), y * count + rng.random()
    grout = (np.minimum(u % 1, v % 1) < 0.05)[..., None]
    checker = ((u.astype(int) + v.astype(int)) % 2 * rng.uniform(0, 0.2))[..., None]
    speckle = noise(rng, size_hw=size_hw, cells=(12, 12), octaves=2)[..., None] * 0.08
    color = surface_color(rng) * (1 - checker + speckle)
    return np.where(grout, color * 0.6 + 0.15, color)


def _room(rng: np.random.Generator, size_hw: Size) -> Array:
    height, width = size_hw
    room = np.tile(surface_color(rng), (height, width, 1))
    room[int(height * rng.uniform(0.45, 0.75)) :] = surface_color(rng)
    for _ in range(int(rng.integers(4, 10))):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        radius = int(width * rng.uniform(0.04, 0.16))
        cv2.circle(room, center, radius, surface_color(rng).tolist(), -1)
    return blurred(room, sigma=width * rng.uniform(0.02, 0.05))


def _turned(rng: np.random.Generator, surface: Array) -> Array:
    """Turn a square surface by quarters, and by a little more, so that lines run anywhere."""
    height, width = surface.shape[:2]
    angle = rng.uniform(0, 360)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    surface = surface.astype(np.float32)
    return np.asarray(
        cv2.warpAffine(surface, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    )


_KINDS: tuple[Callable[[np.random.Generator, Size], Array], ...] = (
    _wood,
    _cloth,
    _stone,
    _tiles,
    _room,
)
