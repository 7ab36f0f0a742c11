import random
from collections import Counter

import pytest

from training.data.split import validation_indices


def counts(images, indices):
    return Counter(name for index in indices for name in images[index])


@pytest.mark.parametrize(
    ("images", "size", "expected"),
    [
        ([], 0.2, {}),
        ([("a",)] * 2, 0.2, {"a": 1}),  # never none, never all
        ([("a",)] * 10, 0.2, {"a": 2}),
        ([("a",)] * 10, 0.99, {"a": 9}),
        ([("a",)] * 10 + [("b",)] * 5, 0.2, {"a": 2, "b": 1}),
        ([("a", "b")] * 10, 0.3, {"a": 3, "b": 3}),
        ([("a",), ("b",), ("a", "b")] * 4, 0.25, {"a": 2, "b": 2}),
    ],
)
def test_each_class_gives_its_share(images, size, expected):
    assert counts(images, validation_indices(images, size=size, seed=3)) == expected


def test_images_without_a_class_are_on_both_sides_too():
    images = [()] * 4 + [("a",)] * 16
    chosen = validation_indices(images, size=0.25, seed=0)
    assert sum(not images[index] for index in chosen) == 1


def test_the_seed_decides_and_indices_ascend():
    images = [("a",)] * 50
    first = validation_indices(images, size=0.2, seed=1)
    assert first == validation_indices(images, size=0.2, seed=1) == sorted(first)
    assert first != validation_indices(images, size=0.2, seed=2)


@pytest.mark.parametrize("seed", range(20))
def test_random_multilabel_data_keep_every_class_on_both_sides(seed):
    rng = random.Random(seed)
    images = [tuple(sorted(rng.sample("abcdef", rng.randint(0, 3)))) for _ in range(60)]
    images += [("rare",), ("rare", "a")]
    total = counts(images, range(len(images)))
    inside = counts(images, validation_indices(images, size=0.2, seed=seed))
    for name, count in total.items():
        assert 0 < inside[name] < count
        assert abs(inside[name] - 0.2 * count) <= 1.0
