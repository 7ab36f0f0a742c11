"""Records to batches, in an order and with augmentations that depend on the seed alone.

A resumed run must see the very batches that an uninterrupted one would have seen, so nothing here
draws from a global random state: order and augmentation follow from (seed, epoch, index).
"""

import signal
from collections.abc import Iterator, Sequence
from os import cpu_count
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from inference.image import decode_image
from inference.preprocess import normalize
from training.data.records import Record

Batch = tuple[Tensor, Tensor]  # images (N, 3, S, S) float32, targets (N, C) of 0 and 1
Key = tuple[int, int]  # epoch, index


class Transform(Protocol):
    """Makes the crop that the network sees; the same seed gives the same crop."""

    def __call__(self, image_rgb: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
        """(H, W, 3) to (S, S, 3)."""
        ...


class LabelledImages(Dataset[tuple[NDArray[np.uint8], NDArray[np.float32]]]):
    """Images with one target row each, addressed by (epoch, index)."""

    def __init__(
        self, records: Sequence[Record], labels: Sequence[str], *, transform: Transform, seed: int
    ) -> None:
        self.targets = target_matrix(records, labels)
        self._paths = [record.image for record in records]
        self._transform = transform
        self._seed = seed

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, key: Key) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return a crop (S, S, 3) uint8 and its target row (C,)."""
        epoch, index = key
        image = decode_image(self._paths[index].read_bytes())
        crop = self._transform(image, seed=mix_seed(self._seed, epoch, index))
        return crop, self.targets[index]


class EpochSampler(Sampler[Key]):
    """Keys (epoch, index) of all records; shuffled by (seed, epoch), or in order without a seed."""

    def __init__(self, length: int, *, shuffle_seed: int | None) -> None:
        self._length = length
        self._shuffle_seed = shuffle_seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Key]:
        order = np.arange(self._length)
        if self._shuffle_seed is not None:
            order = np.random.default_rng((self._shuffle_seed, self._epoch)).permutation(order)
        return ((self._epoch, int(index)) for index in order)


def build_loader(
    dataset: LabelledImages, *, batch_size: int, workers: int, shuffle_seed: int | None
) -> DataLoader[Batch]:
    """Return a loader over the whole data set.

    A last batch of one image is left out while shuffling: BatchNorm cannot learn from it.
    """
    lonely_last = len(dataset) > batch_size and len(dataset) % batch_size == 1
    workers = min(workers, cpu_count() or 1)
    return DataLoader(
        cast(Dataset[Batch], dataset),  # what collate makes of its samples
        batch_size=batch_size,
        sampler=EpochSampler(len(dataset), shuffle_seed=shuffle_seed),
        drop_last=lonely_last and shuffle_seed is not None,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=collate,
        worker_init_fn=leave_signals_to_the_trial,
        pin_memory=torch.cuda.is_available(),
    )


def leave_signals_to_the_trial(_: int) -> None:
    """Ctrl-C reaches the whole process group; a worker that dies of it looks like a crash."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def collate(samples: Sequence[tuple[NDArray[np.uint8], NDArray[np.float32]]]) -> Batch:
    """Stack crops and targets and normalise as the server does."""
    crops, targets = zip(*samples, strict=True)
    return torch.from_numpy(normalize(np.stack(crops))), torch.from_numpy(np.stack(targets))


def target_matrix(records: Sequence[Record], labels: Sequence[str]) -> NDArray[np.float32]:
    """(N, C) with 1 where a record has the label."""
    column = {label: index for index, label in enumerate(labels)}
    targets = np.zeros((len(records), len(labels)), np.float32)
    for row, record in enumerate(records):
        targets[row, [column[name] for name in record.classes]] = 1
    return targets


def mix_seed(*parts: int) -> int:
    """One well-mixed 63-bit seed from several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
