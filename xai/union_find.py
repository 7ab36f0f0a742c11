"""The inner loops of XRAI's segments, compiled: union-find over sorted edges."""

import numpy as np
from numpy.typing import NDArray

from inference.compiled import compiled

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


@compiled
def _root(parents: Ints, node: int) -> int:
    """Follow parents up, halving the path on the way; roots are their tree's smallest index."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled
def _join(parents: Ints, sizes: Ints, a: int, b: int) -> int:
    """Join two trees by their roots and return the root of both."""
    root, other = min(a, b), max(a, b)
    parents[other] = root
    sizes[root] += sizes[other]
    return root


@compiled
def _grow_segments(
    parents: Ints, sizes: Ints, first: Ints, second: Ints, costs: Floats, scale: float
) -> None:
    """Join segments while an edge costs less than either's inner difference plus scale / size.

    scikit-image compares with inner differences rounded to float32: part of being bit-equal.
    """
    inner = np.zeros(len(parents))
    for edge in range(len(costs)):
        a, b = _root(parents, first[edge]), _root(parents, second[edge])
        if a == b:
            continue
        limit_a = np.float32(inner[a] + scale / sizes[a])
        limit_b = np.float32(inner[b] + scale / sizes[b])
        if costs[edge] < min(limit_a, limit_b):
            inner[_join(parents, sizes, a, b)] = costs[edge]


@compiled
def _absorb_small_segments(
    parents: Ints, sizes: Ints, first: Ints, second: Ints, min_pixels: int
) -> None:
    for edge in range(len(first)):
        a, b = _root(parents, first[edge]), _root(parents, second[edge])
        if a != b and min(sizes[a], sizes[b]) < min_pixels:
            _join(parents, sizes, a, b)


@compiled
def _number_segments(parents: Ints, labels: Ints) -> None:
    """Number the segments from 0 by their smallest pixel index, which is their root."""
    count = 0
    for node in range(len(parents)):
        root = _root(parents, node)
        if root == node:
            labels[node] = count
            count += 1
        else:
            labels[node] = labels[root]


@compiled
def merge_edges(
    first: Ints, second: Ints, costs: Floats, scales: Floats, min_pixels: int, n_pixels: int
) -> Ints:
    """Felzenszwalb's segmentation at several scales from edges sorted by cost.

    Edge e joins pixels first[e] and second[e]; the result is (scales, n_pixels).
    """
    labels = np.empty((len(scales), n_pixels), dtype=np.int32)
    for level in range(len(scales)):
        parents = np.arange(n_pixels).astype(np.int32)
        sizes = np.ones(n_pixels, dtype=np.int32)
        _grow_segments(parents, sizes, first, second, costs, scales[level])
        _absorb_small_segments(parents, sizes, first, second, min_pixels)
        _number_segments(parents, labels[level])
    return labels


@compiled
def bounding_boxes(labels: Ints) -> Ints:
    """Top, left, bottom, right (the last two exclusive) of every label 0…max in a map (H, W).

    A label that has no pixel has an empty box of zeros.
    """
    height, width = labels.shape
    boxes = np.zeros((labels.max() + 1, 4), dtype=np.int32)
    for y in range(height):
        for x in range(width):
            box = boxes[labels[y, x]]
            if box[2] == 0:
                box[:] = (y, x, y + 1, x + 1)
            box[1] = min(box[1], x)
            box[2] = y + 1
            box[3] = max(box[3], x + 1)
    return boxes
