"""Random colours in [0, 1] RGB, from the same distributions for every class."""

import colorsys

import numpy as np

from training.data.synthetic.sprite import Array


def muted_color(rng: np.random.Generator) -> Array:
    """A colour for surfaces: any hue, mostly little saturation."""
    return _hsv(rng.random(), 0.4 * rng.random() ** 1.5, rng.uniform(0.35, 0.92))


def wood_color(rng: np.random.Generator) -> Array:
    """A colour between pine and walnut."""
    return _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.25, 0.6), rng.uniform(0.35, 0.85))


def object_color(rng: np.random.Generator, *, apart_from: Array, distance: float = 0.32) -> Array:
    """A colour for objects that can be told from another colour, by RMS distance in RGB."""
    for _ in range(20):
        color = _hsv(rng.random(), rng.uniform(0.15, 0.8), rng.uniform(0.35, 0.95))
        if np.sqrt(np.mean((color - apart_from) ** 2)) >= distance:
            return color
    return np.round(1 - apart_from).astype(np.float32)


def _hsv(hue: float, saturation: float, value: float) -> Array:
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
