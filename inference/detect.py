"""Detection and instance segmentation: views of an image in, boxes and outlines out."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.candidates import Candidates
from inference.canvas import (
    Canvas,
    Region,
    letterbox_canvas,
    letterbox_scale,
    short_side_canvas,
    short_side_scale,
)
from inference.engine.base import Engine
from inference.families import DetectorFamily
from inference.nms import merge_tiles, suppress
from inference.polygons import mask_image, mask_window, polygons_of
from inference.settings import (
    DetectionSettings,
    LetterboxSettings,
    SegmentationSettings,
    Settings,
    ShortSideSettings,
    settings_of,
)
from inference.tiling import AUTO, auto_grid, parse_grid, tile_regions
from inference.types import Detections, ObjectsFound, Rings

Layout = Callable[[NDArray[np.uint8], Region | None], Canvas]

_MAX_COMPARED = 3000  # best candidates of an image that NMS compares: its time grows as the square


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image, or one tile of it, as the network sees it, and what its request asks for."""

    canvas: Canvas
    size_hw: tuple[int, int]
    settings: DetectionSettings


class DetectionPipeline:
    """Both detection tasks; see Pipeline. With tiles an image has several views."""

    def __init__(
        self,
        engine: Engine,
        *,
        family: DetectorFamily,
        labels: tuple[str, ...],
        object_px: float | None = None,
    ) -> None:
        self.engine = engine
        self._family = family
        self._labels = labels
        self._object_px = object_px

    def prepare(self, image_rgb: NDArray[np.uint8], settings: Settings) -> Sequence[View]:
        """Lay out the whole image and its tiles. Raises BadRequest when the tiles are too small."""
        chosen = settings_of(settings, DetectionSettings)
        return views_of(image_rgb, chosen, object_px=self._object_px)

    def key(self, item: View) -> Hashable:
        """Canvases of equal size share a batch."""
        return item.canvas.pixels.shape

    def run(self, items: Sequence[View]) -> Sequence[Detections]:
        """One forward pass; per view what its own thresholds leave, in pixels of its canvas."""
        return self.engine.guard(lambda: self._run(items))

    def candidates(self, items: Sequence[View]) -> Candidates:
        """One forward pass, before anything is chosen."""
        outputs = self.engine(np.stack([view.canvas.pixels for view in items]))
        return self._family.decode([torch.as_tensor(output) for output in outputs])

    def finish(self, items: Sequence[View], parts: Sequence[Detections]) -> ObjectsFound:
        """Back to the image's pixels; what several views see is one object."""
        return objects_found(items, parts, labels=self._labels)

    def _run(self, items: Sequence[View]) -> list[Detections]:
        candidates = self.candidates(items)
        chosen = [choose(candidates, i, view.settings) for i, view in enumerate(items)]
        masks: Sequence[Tensor | None] = [None] * len(chosen)
        if self._family.mask_head is not None:
            masks = self._masks(candidates, chosen)
        return [
            as_detections(candidates, *one, masks=mask)
            for one, mask in zip(chosen, masks, strict=True)
        ]

    def _masks(self, candidates: Candidates, chosen: Sequence["Chosen"]) -> Sequence[Tensor]:
        """Mask probabilities of what was chosen in the whole batch, one call for all."""
        rows, label_ids = (torch.cat(parts) for parts in zip(*chosen, strict=True))
        if not len(rows):
            return [candidates.scores.new_zeros(0, 1, 1)] * len(chosen)
        rois = candidates.rois_of(rows, label_ids)
        masks = self.engine.masks(candidates.features, rois, label_ids)
        return torch.as_tensor(masks).split([len(rows) for rows, _ in chosen])


def views_of(
    image_rgb: NDArray[np.uint8], settings: DetectionSettings, *, object_px: float | None
) -> list[View]:
    """The whole image and its tiles, laid out. Raises BadRequest when the tiles are too small.

    object_px is the side of a small object in the training data, for tile_grid_size "auto".
    """
    size_hw = image_rgb.shape[0], image_rgb.shape[1]
    lay_out = layout(settings)
    regions = [None, *tiles(size_hw, settings, object_px=object_px)]
    return [View(lay_out(image_rgb, region), size_hw, settings) for region in regions]


def objects_found(
    views: Sequence[View], parts: Sequence[Detections], *, labels: tuple[str, ...]
) -> ObjectsFound:
    """Join what was found in each view of one image, in pixels of its canvas."""
    settings, size_hw = views[0].settings, views[0].size_hw
    placed = [_on_image(view, part) for view, part in zip(views, parts, strict=True)]
    found = placed[0]
    if len(placed) > 1:
        found = merge_tiles(
            placed,
            iou_threshold=settings.tile_predictions_nms_thresh,
            max_detections=settings.box_detections_per_img,
        )
    outlines = None
    if isinstance(settings, SegmentationSettings):
        outlines = tuple(_outline(found, i, size_hw, settings) for i in range(len(found)))
    return ObjectsFound(found, labels, size_hw, outlines)


Chosen = tuple[Tensor, Tensor]  # rows (n,) of the candidates, and label_ids (n,)


def choose(candidates: Candidates, image_id: int, settings: DetectionSettings) -> Chosen:
    """What one image's thresholds leave of a batch's candidates, highest score first."""
    (mine,) = torch.where(candidates.image_ids == image_id)
    scores = candidates.scores[mine]
    places, label_ids = (scores > settings.box_score_thresh).nonzero(as_tuple=True)
    values, order = scores[places, label_ids].sort(descending=True, stable=True)
    values, order = values[:_MAX_COMPARED], order[:_MAX_COMPARED]
    rows, label_ids = mine[places[order]], label_ids[order]
    boxes = candidates.boxes_of(rows, label_ids)
    kept = suppress(boxes, values, label_ids, iou_threshold=settings.nms_iou_thresh)
    kept = kept[: settings.box_detections_per_img]
    return rows[kept], label_ids[kept]


def layout(settings: DetectionSettings) -> Layout:
    """How images, or regions of them, are laid onto canvases."""
    if isinstance(settings, LetterboxSettings):
        size = settings.img_size
        return lambda image, region: letterbox_canvas(image, size=size, region_xyxy=region)
    chosen = settings_of(settings, ShortSideSettings)
    return lambda image, region: short_side_canvas(
        image, min_size=chosen.min_size, max_size=chosen.max_size, region_xyxy=region
    )


def tiles(
    size_hw: tuple[int, int], settings: DetectionSettings, *, object_px: float | None
) -> list[Region]:
    """Regions of an image's tiles, none without a grid. Raises BadRequest for tiles too small."""
    if settings.tile_grid_size is None:
        return []
    if settings.tile_grid_size == AUTO:
        grid = _auto_grid(size_hw, settings, object_px)
    else:
        grid = parse_grid(settings.tile_grid_size)
    if grid is None:
        return []
    return tile_regions(size_hw, grid=grid, overlap_ratio=settings.tile_overlap_ratio)


def _auto_grid(
    size_hw: tuple[int, int], settings: DetectionSettings, object_px: float | None
) -> tuple[int, int] | None:
    if object_px is None:  # the model does not say how small its objects were
        return None
    return auto_grid(
        size_hw,
        object_px=object_px,
        canvas_scale=partial(canvas_scale, settings=settings),
        overlap_ratio=settings.tile_overlap_ratio,
    )


def canvas_scale(size_hw: tuple[int, int], *, settings: DetectionSettings) -> float:
    """By which factor a region of this size is resized."""
    if isinstance(settings, LetterboxSettings):
        return letterbox_scale(size_hw, size=settings.img_size)
    chosen = settings_of(settings, ShortSideSettings)
    return short_side_scale(size_hw, min_size=chosen.min_size, max_size=chosen.max_size)


def canvas_side(settings: DetectionSettings) -> int:
    """The side that settings ask for: of the square, or the short one."""
    if isinstance(settings, LetterboxSettings):
        return settings.img_size
    return settings_of(settings, ShortSideSettings).min_size


def as_detections(
    candidates: Candidates,
    rows: Tensor,
    label_ids: Tensor,
    *,
    masks: Tensor | None = None,
    ids: NDArray[np.int64] | None = None,
) -> Detections:
    """Chosen candidates, on any device and of any precision, as arrays."""
    return Detections(
        candidates.boxes_of(rows, label_ids).float().cpu().numpy(),
        candidates.scores[rows, label_ids].float().cpu().numpy(),
        label_ids.cpu().numpy(),
        None if masks is None else masks.float().cpu().numpy(),
        ids,
    )


def _on_image(view: View, part: Detections) -> Detections:
    """From the canvas to the image; what lies beside the picture has no size there and goes."""
    boxes = view.canvas.geometry.to_image(part.boxes_xyxy)
    placed = replace(part, boxes_xyxy=boxes)
    return placed[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]


def _outline(
    found: Detections, index: int, size_hw: tuple[int, int], settings: SegmentationSettings
) -> Rings | bytes:
    """The polygon of one detection or, if masks are wanted as images, an image of its mask."""
    if found.masks is None:
        raise TypeError("a detector for segmentation gave no masks")
    window, (left, top) = mask_window(
        found.masks[index],
        found.boxes_xyxy[index],
        size_hw=size_hw,
        threshold=settings.mask_pixel_score_threshold,
    )
    if not settings.export_as_image:
        points = settings.max_number_of_polygon_points
        return polygons_of(window, offset_xy=(left, top), max_points=points)
    mask = np.zeros(size_hw, np.bool_)
    mask[top : top + window.shape[0], left : left + window.shape[1]] = window
    return mask_image(mask, image_type=settings.image_type)
