"""Things that lie around and are none of the classes: pencils, scraps of paper, pebbles."""

from collections.abc import Callable

import cv2
import numpy as np

from training.data.synthetic.sprite import Array, Sprite, grid, inside, paint, unit


def random_clutter(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    """Draw one thing that no label names, on `side` pixels."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    return kind(rng, side, color, second)


def _pencil(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    x, y = grid(side)
    half = 0.045
    point = np.minimum(half, (0.95 + y) * 0.3)
    nx = np.clip(x / half, -1.0, 1.0)
    albedo = paint(color, second, inside(y - 0.75))
    albedo = paint(albedo, np.array([0.85, 0.7, 0.5], np.float32), inside(-0.8 - y))
    alpha = inside(np.minimum(point - np.abs(x), 0.93 - np.abs(y)))
    return Sprite(albedo, unit(nx, np.zeros_like(x), np.sqrt(1 - nx**2) + 0.1), alpha, gloss=0.4)


def _scrap(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    angles = np.sort(rng.uniform(0, 2 * np.pi, size=int(rng.integers(3, 5))))
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.5, 0.9)
    pixels = np.round((corners + 1) * side / 2).astype(np.int32)
    canvas = np.zeros((side, side), np.uint8)
    cv2.fillPoly(canvas, [pixels], 255, lineType=cv2.LINE_AA)
    x, y = grid(side)
    lines = inside(0.02 - np.abs((y * 6) % 1 - 0.5) / 6) * rng.choice([0.0, 0.6])
    albedo = paint(color, second, lines)
    normal = unit(0.1 * x, 0.1 * y, np.ones_like(x))
    return Sprite(albedo, normal, canvas.astype(np.float32) / 255, gloss=0.0)


def _pebble(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    x, y = grid(side)
    angle = np.arctan2(y, x)
    wobble = sum(
        rng.uniform(-0.12, 0.12) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 4)
    )
    radius = 0.45 * (1 + wobble)
    out = np.hypot(x, y * rng.uniform(1.1, 1.7)) / radius
    height = np.sqrt(np.clip(1 - out**2, 0.0, 1.0))
    albedo = 0.5 * color + 0.2
    return Sprite(albedo, unit(x / 0.6, y / 0.6, height + 0.3), inside((1 - out) * 0.4), gloss=0.05)


_KINDS: tuple[Callable[[np.random.Generator, int, Array, Array], Sprite], ...] = (
    _pencil,
    _scrap,
    _pebble,
)
