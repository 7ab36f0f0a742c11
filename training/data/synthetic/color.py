"""Random colours in [0, 1] RGB, from the same distributions for every class."""

import colorsys

import numpy as np

from training.data.synthetic.sprite import Array

_TRIES = 10


def surface_color(rng: np.random.Generator) -> Array:
    """A light colour of any hue and little saturation."""
    return _hsv(rng.random(), 0.35 * rng.random() ** 1.5, rng.uniform(0.55, 0.95))


def wood_color(rng: np.random.Generator) -> Array:
    """A colour between birch and oak."""
    return _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.2, 0.5), rng.uniform(0.55, 0.9))


def object_color(rng: np.random.Generator, *, apart_from: Array) -> Array:
    """A colour of some saturation: of a few random ones, what differs most from another colour."""
    tries = [
        _hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.25, 0.9))
        for _ in range(rng.integers(2, _TRIES))
    ]
    return max(tries, key=lambda color: float(np.abs(color - apart_from).sum()))


def _hsv(hue: float, saturation: float, value: float) -> Array:
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
