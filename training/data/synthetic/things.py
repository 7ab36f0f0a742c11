"""One thing of a scene in random colours: an object of a class, or clutter."""

import numpy as np

from training.data.synthetic.clutter import random_clutter
from training.data.synthetic.color import object_color
from training.data.synthetic.shapes import SHAPES
from training.data.synthetic.sprite import Array, Sprite


def random_thing(
    rng: np.random.Generator, label: str | None, *, side: int, ground: Array
) -> Sprite:
    """Draw an object of a class, or without a label clutter, on a canvas of `side` pixels.

    Its colours differ from that of the ground (3,).
    """
    color = object_color(rng, apart_from=ground)
    second = object_color(rng, apart_from=color)
    draw = random_clutter if label is None else SHAPES[label]
    return draw(rng, side, color, second)
