"""Predictions and objects of a set of images as flat tables, in the form that COCO evaluates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from inference.polygons import fill_polygons, mask_window
from inference.types import Detections

Kind = Literal["boxes", "masks"]
Ring = tuple[float, ...]  # x1, y1, x2, y2, …


@dataclass(frozen=True, slots=True, eq=False)
class ImageTruth:
    """What is to be found in one image.

    boxes_xyxy (N, 4) float32 in absolute pixels; label_ids (N,) int64; is_crowd (N,) bool: groups
    that need not be found and are not wrong to find; size_hw in pixels; rings: the polygons of
    each object in pixels, or empty where objects have boxes only.
    """

    boxes_xyxy: NDArray[np.float32]
    label_ids: NDArray[np.int64]
    is_crowd: NDArray[np.bool_]
    size_hw: tuple[int, int]
    rings: tuple[tuple[Ring, ...], ...] = ()

    def __post_init__(self) -> None:
        count = len(self.label_ids)
        shapes = {
            "boxes_xyxy": (self.boxes_xyxy.shape, (count, 4)),
            "is_crowd": (self.is_crowd.shape, (count,)),
        }
        for name, (got, expected) in shapes.items():
            if got != expected:
                raise ValueError(f"{name} must have shape {expected}, got {got}")
        if len(self.rings) not in (0, count):
            raise ValueError(f"rings must be empty or of {count} objects, got {len(self.rings)}")

    def __len__(self) -> int:
        return len(self.label_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Predictions or objects of all images, one row each, in the order of the images.

    image_ids, label_ids (N,) int64; scores (N,) float64, 1 for an object; is_crowd (N,) bool;
    areas (N,) float64 in square pixels; shapes: N boxes [x, y, width, height] or N run-length
    encoded masks; sizes_hw: of every image, also of those without a row.
    """

    image_ids: NDArray[np.int64]
    label_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]
    areas: NDArray[np.float64]
    shapes: tuple[Any, ...]
    sizes_hw: tuple[tuple[int, int], ...]
    kind: Kind

    def __len__(self) -> int:
        return len(self.label_ids)

    def chosen(self, rows: NDArray[np.bool_]) -> "Regions":
        """The rows where `rows` (N,) is true."""
        return replace(
            self,
            image_ids=self.image_ids[rows],
            label_ids=self.label_ids[rows],
            scores=self.scores[rows],
            is_crowd=self.is_crowd[rows],
            areas=self.areas[rows],
            shapes=tuple(self.shapes[row] for row in np.flatnonzero(rows)),
        )


def prediction_regions(
    predictions: Sequence[Detections],
    *,
    sizes_hw: Sequence[tuple[int, int]],
    kind: Kind,
    mask_threshold: float,
) -> Regions:
    """One row per prediction; a mask covers the pixels where it is over `mask_threshold`."""
    return _regions(
        [
            _boxes(found.boxes_xyxy)
            if kind == "boxes"
            else _grid_masks(found, size_hw=size_hw, threshold=mask_threshold)
            for found, size_hw in zip(predictions, sizes_hw, strict=True)
        ],
        label_ids=[found.label_ids for found in predictions],
        scores=[found.scores for found in predictions],
        is_crowd=[np.zeros(len(found), np.bool_) for found in predictions],
        sizes_hw=sizes_hw,
        kind=kind,
    )


def object_regions(truths: Sequence[ImageTruth], *, kind: Kind) -> Regions:
    """One row per object, crowds included."""
    return _regions(
        [
            _boxes(truth.boxes_xyxy) if kind == "boxes" else _polygon_masks(truth)
            for truth in truths
        ],
        label_ids=[truth.label_ids for truth in truths],
        scores=[np.ones(len(truth), np.float32) for truth in truths],
        is_crowd=[truth.is_crowd for truth in truths],
        sizes_hw=[truth.size_hw for truth in truths],
        kind=kind,
    )


def window_rle(
    window: NDArray[np.bool_], *, left_top: tuple[int, int], size_hw: tuple[int, int]
) -> dict[str, Any]:
    """Run-length code of an image-sized mask that is empty outside of a window.

    COCO counts pixels down the columns, so that each column of the window adds the two ends of
    its runs; where a run goes on in the next column, its end and the next start cancel out.
    """
    height, width = size_hw
    padded = np.pad(window, ((1, 1), (0, 0)))
    columns, rows = np.nonzero((padded[1:] != padded[:-1]).T)
    ends, times = np.unique(
        (left_top[0] + columns) * height + left_top[1] + rows, return_counts=True
    )
    counts = np.diff(ends[times == 1], prepend=0, append=height * width)
    code: dict[str, Any] = coco_mask.frPyObjects(
        {"size": [height, width], "counts": counts.tolist()}, height, width
    )
    return code


def _regions(
    shapes: Sequence[list[Any]],
    *,
    label_ids: Sequence[NDArray[np.int64]],
    scores: Sequence[NDArray[np.float32]],
    is_crowd: Sequence[NDArray[np.bool_]],
    sizes_hw: Sequence[tuple[int, int]],
    kind: Kind,
) -> Regions:
    """The lists of all images, one after the other."""
    flat = tuple(shape for of_image in shapes for shape in of_image)
    return Regions(
        image_ids=np.repeat(np.arange(len(shapes)), [len(of_image) for of_image in shapes]),
        label_ids=np.concatenate([np.empty(0, np.int64), *label_ids]),
        scores=np.concatenate([np.empty(0, np.float64), *scores]),
        is_crowd=np.concatenate([np.empty(0, np.bool_), *is_crowd]),
        areas=_areas(flat, kind),
        shapes=flat,
        sizes_hw=tuple(sizes_hw),
        kind=kind,
    )


def _areas(shapes: tuple[Any, ...], kind: Kind) -> NDArray[np.float64]:
    if kind == "masks":
        return np.asarray(coco_mask.area(list(shapes)), np.float64)
    return np.array([width * height for _, _, width, height in shapes], np.float64)


def _boxes(boxes_xyxy: NDArray[np.float32]) -> list[list[float]]:
    wide = boxes_xyxy.astype(np.float64)
    return np.hstack([wide[:, :2], wide[:, 2:] - wide[:, :2]]).tolist()


def _grid_masks(
    found: Detections, *, size_hw: tuple[int, int], threshold: float
) -> list[dict[str, Any]]:
    if found.masks is None:
        raise ValueError("kind 'masks' needs detections with masks, got masks None")
    windows = (
        mask_window(grid, box_xyxy, size_hw=size_hw, threshold=threshold)
        for grid, box_xyxy in zip(found.masks, found.boxes_xyxy, strict=True)
    )
    return [window_rle(window, left_top=left_top, size_hw=size_hw) for window, left_top in windows]


def _polygon_masks(truth: ImageTruth) -> list[dict[str, Any]]:
    if len(truth.rings) < len(truth) or not all(truth.rings):
        raise ValueError("kind 'masks' needs the rings of every object, got an object without")
    return [_polygon_mask(rings, truth.size_hw) for rings in truth.rings]


def _polygon_mask(rings: tuple[Ring, ...], size_hw: tuple[int, int]) -> dict[str, Any]:
    mask = fill_polygons(rings, size_hw=size_hw)
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    window = mask[top : top + height, left : left + width]
    return window_rle(window, left_top=(left, top), size_hw=size_hw)
