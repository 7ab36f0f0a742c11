"""Learning on with other classes: which rows of a head are kept, and where they go."""

from collections.abc import Sequence

from torch import Tensor

from inference.families.base import ClassRows


def carried_over(
    new: Tensor,
    old: Tensor,
    rows: ClassRows,
    *,
    new_labels: Sequence[str],
    old_labels: Sequence[str],
) -> Tensor | None:
    """Return `new` with the rows of `old` for all classes that both know, by their labels.

    The rows that belong to no class are taken from `old` too. None where a tensor cannot be divided
    as `rows` says, or where the two differ in more than their classes.
    """
    result = new.clone()
    into = _by_class(result, rows, len(new_labels))
    source = _by_class(old, rows, len(old_labels))
    if into is None or source is None or into[:, 0].shape != source[:, 0].shape:
        return None
    for to, place in _places(rows, new_labels, old_labels):
        into[:, to] = source[:, place]
    return result


def _by_class(tensor: Tensor, rows: ClassRows, classes: int) -> Tensor | None:
    """View a tensor as (repeats, before + classes + after, each, …)."""
    count = rows.before + classes + rows.after
    if tensor.ndim == 0 or tensor.shape[0] % (count * rows.each):
        return None
    return tensor.unflatten(0, (-1, count, rows.each))


def _places(
    rows: ClassRows, new_labels: Sequence[str], old_labels: Sequence[str]
) -> list[tuple[int, int]]:
    """Pairs of places: in the new head, and in the old one."""
    old_places = {label: place for place, label in enumerate(old_labels)}
    ends = rows.before + len(new_labels), rows.before + len(old_labels)
    return [
        *((place, place) for place in range(rows.before)),
        *(
            (rows.before + place, rows.before + old_places[label])
            for place, label in enumerate(new_labels)
            if label in old_places
        ),
        *((ends[0] + place, ends[1] + place) for place in range(rows.after)),
    ]
