"""The pointing game and the relevance mass by pencil."""

import numpy as np
import pytest

from xai.quality.pointing import pointing_game, relevance_mass

INSIDE = np.array([[True, True, False, False]])


@pytest.mark.parametrize(
    ("map_", "hit", "mass"),
    [
        ([0, 0, 0, 0], 0.5, 0.5),
        ([1, 1, 1, 1], 0.5, 0.5),
        ([9, 0, 1, 0], 1, 0.9),
        ([1, 2, 9, 0], 0, 0.25),
        ([0, 3, 3, 3], 1 / 3, 1 / 3),
        ([2, -5, 2, -1], 0.5, 0.5),
        ([-1, -2, -3, -4], 1, 0.5),
    ],
)
def test_by_pencil(map_, hit, mass):
    values = np.array([map_], np.float32)
    assert pointing_game(values, INSIDE) == pytest.approx(hit)
    assert relevance_mass(values, INSIDE) == pytest.approx(mass)
