"""The maps that know nothing of the network."""

import numpy as np

from xai.quality.references import REFERENCES


def test_every_reference_has_the_images_shape_and_repeats_with_its_seed():
    image = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    for reference in REFERENCES.values():
        first, again = (reference(image, np.random.default_rng(3)) for _ in range(2))
        assert first.shape == (12, 9)
        assert first.dtype == np.float32
        np.testing.assert_array_equal(first, again)


def test_edges_are_where_brightness_changes():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, 4:] = 200
    edges = REFERENCES["edges"](image, np.random.default_rng(0))
    assert (edges.argmax(axis=1) == 3).all()  # the first of both columns beside the step
    assert not edges[:, :3].any()
    assert not edges[:, 5:].any()
