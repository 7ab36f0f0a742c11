"""Images with boxes to batches of canvases; as for classification, the seed alone decides.

Order, augmentation and the scale of a batch follow from (seed, epoch, index), so that a resumed run
sees the very batches that an uninterrupted one would have seen.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import cpu_count
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inference.candidates import BoxTargets
from inference.canvas import Canvas, resize
from inference.polygons import fill_polygons
from inference.preprocess import normalize
from training.data.datasets import (
    WHOLE,
    Key,
    Share,
    Shuffled,
    leave_signals_to_the_trial,
    mix_seed,
)
from training.data.detection_augmentations import Augmentation
from training.data.detection_images import Samples
from training.data.detection_samples import Objects
from training.data.object_geometry import scaling, transformed
from training.data.parallel_reading import SideBySide

DetectionBatch = tuple[Tensor, list[BoxTargets]]  # canvases (N, 3, H, W) float32, one truth each
Layout = Callable[[NDArray[np.uint8]], Canvas]
SCALES = (0.5, 1.5)  # of the canvas, with multi_scale
STRIDE = 32  # multi_scale's sides are multiples of it
_Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class LaidOut:
    """A sample on its canvas.

    pixels (H, W, 3) uint8; boxes_xyxy (n, 4) float32 in canvas pixels; label_ids (n,) int64; masks
    (n, H, W) uint8 of 0 and 1, or None. seed is the sample's own, for what a batch draws.
    """

    pixels: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    label_ids: NDArray[np.int64]
    masks: NDArray[np.uint8] | None
    seed: int


class DetectionSamples(Dataset[LaidOut]):
    """Augmented images on canvases, addressed by (epoch, index)."""

    def __init__(
        self,
        images: Samples,
        *,
        augmentation: Augmentation,
        layout: Layout,
        with_masks: bool,
        seed: int,
        parallel: bool = False,
    ) -> None:
        self.with_masks = with_masks
        self._samples = SideBySide(self.__getitem__, parallel=parallel)
        self._images = images
        self._augmentation = augmentation
        self._layout = layout
        self._seed = seed

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Key) -> LaidOut:
        """Decode, augment and lay out one image."""
        epoch, index = key
        seed = mix_seed(self._seed, epoch, index)
        rng = np.random.default_rng(seed)
        sample = self._augmentation(self._images, index, epoch=epoch, rng=rng)
        canvas = self._layout(sample.image_rgb)
        return on_canvas(sample.objects, canvas, with_masks=self.with_masks, seed=seed)

    def __getitems__(self, keys: Sequence[Key]) -> list[LaidOut]:
        """Make the samples of a batch, in threads if `parallel`: where images are remote."""
        return list(self._samples.map(keys))


def on_canvas(objects: Objects, canvas: Canvas, *, with_masks: bool, seed: int) -> LaidOut:
    """Lay the objects of an image onto the canvas that shows the whole of it."""
    geometry = canvas.geometry
    moved = transformed(objects, scaling(geometry.scale_xy, geometry.offset_xy))
    size_hw = canvas.pixels.shape[0], canvas.pixels.shape[1]
    masks = _masks(moved, size_hw) if with_masks else None
    return LaidOut(canvas.pixels, moved.boxes_xyxy, moved.label_ids, masks, seed)


def _masks(objects: Objects, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    masks = np.zeros((len(objects), *size_hw), np.uint8)
    for mask, rings in zip(masks, objects.rings, strict=True):
        mask[:] = fill_polygons([ring.ravel().tolist() for ring in rings], size_hw=size_hw)
    return masks


def build_detection_loader(
    dataset: DetectionSamples,
    *,
    batch_size: int,
    workers: int,
    shuffle_seed: int,
    mean: _Rgb,
    std: _Rgb,
    multi_scale: bool = False,
    share: Share = WHOLE,
) -> DataLoader[DetectionBatch]:
    """Return a loader over a share of the data set.

    multi_scale draws a size for each batch; it needs canvases of one size, without masks.
    """
    if multi_scale and dataset.with_masks:
        raise ValueError("multi_scale does not resize masks; leave it out where with_masks is set")
    collate = functools.partial(collate_detection, mean=mean, std=std, multi_scale=multi_scale)
    workers = min(workers, cpu_count() or 1)
    return DataLoader(
        cast(Dataset[DetectionBatch], dataset),  # what collate makes of its samples
        batch_size=batch_size,
        sampler=Shuffled(len(dataset), batch_size=batch_size, seed=shuffle_seed, share=share),
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=collate,
        worker_init_fn=start_worker,
        pin_memory=torch.cuda.is_available(),
    )


def start_worker(worker: int) -> None:
    """Use one core per worker; OpenCV would start a thread for every core in each."""
    leave_signals_to_the_trial(worker)
    cv2.setNumThreads(0)


def collate_detection(
    samples: Sequence[LaidOut], *, mean: _Rgb, std: _Rgb, multi_scale: bool = False
) -> DetectionBatch:
    """Normalise canvases and pad them, at the right and below, with 0 to the largest of the batch.

    With multi_scale the batch gets a random size that follows from its first sample.
    """
    if multi_scale:
        side = _random_side(samples[0])
        samples = [_resized(sample, side) for sample in samples]
    height = max(sample.pixels.shape[0] for sample in samples)
    width = max(sample.pixels.shape[1] for sample in samples)
    batch = np.zeros((len(samples), 3, height, width), np.float32)
    for canvas, sample in zip(batch, samples, strict=True):
        rows, columns = sample.pixels.shape[:2]
        canvas[:, :rows, :columns] = normalize(sample.pixels[None], mean=mean, std=std)[0]
    return torch.from_numpy(batch), [_targets(sample, (height, width)) for sample in samples]


def _random_side(sample: LaidOut) -> int:
    low, high = (scale * max(sample.pixels.shape) / STRIDE for scale in SCALES)
    sides = np.arange(np.ceil(low), np.floor(high) + 1) * STRIDE
    return int(np.random.default_rng((sample.seed, STRIDE)).choice(sides))


def _resized(sample: LaidOut, side: int) -> LaidOut:
    scale = np.float32(side / sample.pixels.shape[0])
    return replace(
        sample, pixels=resize(sample.pixels, (side, side)), boxes_xyxy=sample.boxes_xyxy * scale
    )


def _targets(sample: LaidOut, size_hw: tuple[int, int]) -> BoxTargets:
    masks = None
    if sample.masks is not None:
        below, right = np.subtract(size_hw, sample.masks.shape[1:])
        masks = torch.from_numpy(np.pad(sample.masks, ((0, 0), (0, below), (0, right))))
    return BoxTargets(
        torch.from_numpy(sample.boxes_xyxy), torch.from_numpy(sample.label_ids), masks
    )
