"""A validation set taken out of the training data: stratified, and the same for the same seed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

_NO_CLASS = "\0"  # images without any class are stratified like a class of their own


def validation_indices(
    classes_per_image: Sequence[Sequence[str]], *, size: float, seed: int
) -> list[int]:
    """Choose which images validate; ascending indices.

    Iterative stratification (Sechidis, Tsoumakas & Vlahavas, 2011, algorithm 1) over two subsets:
    the images of the rarest class first. Where that class is wanted on both sides, an image goes
    where more of the wish for its classes is open, relative to the wish at the start: the paper
    compares absolute numbers, which fills training first and leaves validation lopsided. `size` in
    (0, 1) is the share of validation, per class at least one image and at most all but one. With
    one class per image this is plain stratification.
    """
    images = [tuple(classes) or (_NO_CLASS,) for classes in classes_per_image]
    members = _members(images, np.random.default_rng(seed).permutation(len(images)).tolist())
    left = Counter({name: len(indices) for name, indices in members.items()})
    in_validation = Counter({name: _share(count, size) for name, count in left.items()})
    wanted = (left - in_validation, in_validation)
    at_start = (wanted[0].copy(), wanted[1].copy())
    side_of: dict[int, int] = {}
    while left := +left:
        rarest = min(left, key=lambda name: (left[name], name))
        for index in members[rarest]:
            if index not in side_of:
                side_of[index] = _side(images[index], rarest, wanted, at_start)
                wanted[side_of[index]].subtract(images[index])
                left.subtract(images[index])
    chosen = {index for index, side in side_of.items() if side == 1}
    return sorted(_repaired(chosen, images))


def _members(images: Sequence[Sequence[str]], order: Iterable[int]) -> dict[str, list[int]]:
    """Indices per class, in the given order."""
    members = defaultdict(list)
    for index in order:
        for name in images[index]:
            members[name].append(index)
    return members


def _share(count: int, size: float) -> int:
    return min(max(1, round(count * size)), count - 1)


def _side(
    names: Sequence[str],
    rarest: str,
    wanted: tuple[Counter[str], Counter[str]],
    at_start: tuple[Counter[str], Counter[str]],
) -> int:
    """0 for training, 1 for validation."""
    if min(side[rarest] for side in wanted) <= 0:
        return 1 if wanted[1][rarest] > 0 else 0
    train, validation = (
        sum(now[name] / max(1, start[name]) for name in names)
        for now, start in zip(wanted, at_start, strict=True)
    )
    return 1 if validation > train else 0


def _repaired(chosen: set[int], images: Sequence[Sequence[str]]) -> set[int]:
    """Move single images so that every class is on both sides where no other class loses by it."""
    total = Counter(name for names in images for name in names)
    inside = Counter(name for index in chosen for name in images[index])
    for name in sorted(total):
        if inside[name] == 0:
            chosen = chosen | _spare(name, set(range(len(images))) - chosen, images)
        elif inside[name] == total[name]:
            chosen = chosen - _spare(name, chosen, images)
    return chosen


def _spare(name: str, source: set[int], images: Sequence[Sequence[str]]) -> set[int]:
    """One image of `name` that `source` can spare, the one with the fewest classes, or none."""
    counts = Counter(other for index in source for other in images[index])
    able = [i for i in source if name in images[i] and all(counts[c] > 1 for c in images[i])]
    return {min(able, key=lambda index: (len(images[index]), index))} if able else set()
