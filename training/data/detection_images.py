"""The images of a table and, if asked, their tiles, decoded when they are wanted."""

from collections.abc import Sequence
from typing import Protocol

from inference.errors import BadRequest
from inference.image import decode_image
from inference.tiling import tile_regions
from training.data.detection_samples import Sample, truth_of
from training.data.object_geometry import cut_out
from training.data.records import Record

TILE_MIN_SHARE = 0.5  # a box belongs to the tiles that show this share of it


class Samples(Protocol):
    """Images with their objects, by index."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Return one of them."""
        ...


class DetectionImages:
    """Samples to learn from: every image, followed by its tiles if there is a grid.

    grid is (tiles across, tiles down). Objects marked as crowds are left out: detectors learn
    single objects.
    """

    def __init__(
        self,
        records: Sequence[Record],
        labels: Sequence[str],
        *,
        grid: tuple[int, int] | None = None,
        overlap_ratio: float = 0.25,
    ) -> None:
        self._records = records
        self._labels = tuple(labels)
        self._grid = grid
        self._overlap_ratio = overlap_ratio
        self._parts = 1 + (grid[0] * grid[1] if grid else 0)

    def __len__(self) -> int:
        return len(self._records) * self._parts

    def __getitem__(self, index: int) -> Sample:
        """Decode one image, or the image that a tile is part of."""
        place, part = divmod(index, self._parts)
        sample = self._whole(self._records[place])
        return self._tile(sample, part - 1) if part else sample

    def _tile(self, sample: Sample, number: int) -> Sample:
        """Cut out one tile; an image that is too small for the grid stands for its tiles itself."""
        try:
            regions = tile_regions(
                sample.size_hw, grid=self._grid, overlap_ratio=self._overlap_ratio
            )
        except BadRequest:
            return sample
        return cut_out(sample, regions[number], min_share=TILE_MIN_SHARE)

    def _whole(self, record: Record) -> Sample:
        image = decode_image(record.image.read_bytes())
        objects = truth_of(record, self._labels, (image.shape[0], image.shape[1]))
        return Sample(image, objects[~objects.is_crowd])
