"""The validation pass of detectors: the server's own way through the network being trained."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from os import cpu_count
from typing import cast

from torch.utils.data import DataLoader, Dataset

from inference.detect import DetectionPipeline, View, views_of
from inference.image import decode_image
from inference.settings import DetectionSettings
from inference.types import Detections, ObjectsFound
from training.data.datasets import WHOLE, InOrder, Key, Share
from training.data.detection_datasets import LaidOut, on_canvas, start_worker
from training.data.detection_samples import Objects, truth_of
from training.data.records import Record
from training.metrics.detection_regions import ImageTruth


@dataclass(frozen=True, slots=True, eq=False)
class ValidationImage:
    """One image as the server sees it, the truth, and both on its canvas for the loss."""

    views: Sequence[View]
    truth: ImageTruth
    laid_out: LaidOut


class ValidationImages(Dataset[ValidationImage]):
    """Validation images, decoded and laid out by the server's code, addressed by (epoch, index)."""

    def __init__(
        self,
        records: Sequence[Record],
        labels: Sequence[str],
        *,
        settings: DetectionSettings,
        object_px: float | None,
        with_masks: bool,
    ) -> None:
        self._records = records
        self._labels = labels
        self._settings = settings
        self._object_px = object_px
        self._with_masks = with_masks

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, key: Key) -> ValidationImage:
        """Decode one image and lay it out; nothing is random, the epoch does not matter."""
        _, index = key
        record = self._records[index]
        image = decode_image(record.image.read_bytes())
        size_hw = image.shape[0], image.shape[1]
        objects = truth_of(record, self._labels, size_hw)
        views = views_of(image, self._settings, object_px=self._object_px)
        singles = objects[~objects.is_crowd]
        laid_out = on_canvas(singles, views[0].canvas, with_masks=self._with_masks, seed=0)
        return ValidationImage(views, image_truth(objects, size_hw), laid_out)


def image_truth(objects: Objects, size_hw: tuple[int, int]) -> ImageTruth:
    """Objects of an image of that size, as metrics want them."""
    return ImageTruth(
        boxes_xyxy=objects.boxes_xyxy,
        label_ids=objects.label_ids,
        is_crowd=objects.is_crowd,
        size_hw=size_hw,
        rings=tuple(
            tuple(tuple(ring.ravel().tolist()) for ring in rings) for rings in objects.rings
        ),
    )


def find_objects(
    pipeline: DetectionPipeline, images: Sequence[Sequence[View]], *, max_batch: int
) -> list[ObjectsFound]:
    """Detect in images given by their views; canvases of one size share batches."""
    groups: dict[object, list[tuple[int, int]]] = defaultdict(list)
    for image, views in enumerate(images):
        for place, view in enumerate(views):
            groups[pipeline.key(view)].append((image, place))
    parts: dict[tuple[int, int], Detections] = {}
    for members in groups.values():
        for begin in range(0, len(members), max_batch):
            batch = members[begin : begin + max_batch]
            found = pipeline.run([images[image][place] for image, place in batch])
            parts.update(zip(batch, found, strict=True))
    return [
        pipeline.finish(views, [parts[image, place] for place in range(len(views))])
        for image, views in enumerate(images)
    ]


def validation_loader(
    images: ValidationImages, *, batch_size: int, workers: int, share: Share = WHOLE
) -> DataLoader[list[ValidationImage]]:
    """Return a loader of lists of images of a share, in order."""
    workers = min(workers, cpu_count() or 1)
    return DataLoader(
        cast(Dataset[list[ValidationImage]], images),  # what list makes of its samples
        batch_size=batch_size,
        sampler=InOrder(len(images), share=share),
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=list,
        worker_init_fn=start_worker,
    )
