"""Anchors for data whose boxes the usual ones do not fit."""

import math
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from inference.families.yolov5.loss import MAX_RATIO, sides_ratio

ENOUGH_RECALL = 0.98
_SAMPLE = 10_000  # boxes that tell enough about all
_ATTEMPTS = 10  # of k-means, from other starts; the best one counts
_SPREAD = 0.1  # standard deviation of log sizes that augmentation adds at the least


def fit_to_data(network: Any, sizes_wh: NDArray[np.float32]) -> str:
    """Give a new YoloV5 anchors for boxes of `sizes_wh` (n, 2), in canvas pixels, if it needs some.

    Writes its buffer `anchors_wh` when too few boxes have an anchor that may take them, and others
    take more; returns what was done, or "".
    """
    old = network.anchors_wh.cpu().numpy().reshape(-1, 2)
    before = best_possible_recall(sizes_wh, old)
    if before >= ENOUGH_RECALL:
        return ""
    new = clustered_anchors(sizes_wh, count=len(old))
    after = best_possible_recall(sizes_wh, new)
    if after <= before:
        return ""
    network.anchors_wh.copy_(torch.from_numpy(new).view_as(network.anchors_wh))
    listed = " ".join(f"{width:.0f}×{height:.0f}" for width, height in new)
    return (
        f"new anchors {listed} pixels: {after:.1%} of the boxes have one that fits, "
        f"{before:.1%} had one before"
    )


def best_possible_recall(sizes_wh: NDArray[np.float32], anchors_wh: NDArray[np.float32]) -> float:
    """Share of boxes (n, 2) that at least one of the anchors (A, 2) may take; 1 without boxes."""
    if not len(sizes_wh):
        return 1.0
    ratios = sides_ratio(torch.tensor(sizes_wh), torch.tensor(anchors_wh))
    return float((ratios.amin(dim=1) < MAX_RATIO).float().mean())


def clustered_anchors(sizes_wh: NDArray[np.float32], *, count: int) -> NDArray[np.float32]:
    """K-means of the logarithms of sizes (n, 2), where distance is a ratio; smallest area first.

    Boxes are varied a little and repeated if they are few, so that there are `count` clusters.
    """
    rng = np.random.default_rng(0)
    logs = np.log(np.maximum(sizes_wh, 1.0)).astype(np.float64)
    logs = rng.permutation(logs)[:_SAMPLE]
    logs = np.tile(logs, (math.ceil(100 * count / len(logs)), 1))
    logs = logs + rng.normal(0.0, _SPREAD, size=logs.shape)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
    points, start = logs.astype(np.float32), cv2.KMEANS_PP_CENTERS
    _, _, centers = cv2.kmeans(points, count, np.empty(0), stop, _ATTEMPTS, start)
    by_area = centers[np.argsort(centers.sum(axis=1))]
    return np.exp(by_area).astype(np.float32)
