"""Records to batches, in an order and with augmentations that depend on the seed alone.

A resumed run must see the very batches that an uninterrupted one would have seen, so nothing here
draws from a global random state: order and augmentation follow from (seed, epoch, index).
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import cpu_count
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from inference.errors import UsageError
from inference.image import decode_image
from inference.preprocess import normalize
from training.data.parallel_reading import Announced, SideBySide, read_image, waits_for_network
from training.data.records import Record

CropAndTarget = tuple[NDArray[np.uint8], NDArray[np.float32]]
Batch = tuple[Tensor, Tensor]  # images (N, 3, S, S) float32, targets (N, C) of 0 and 1
Key = tuple[int, int]  # epoch, index
Normalized = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # NHWC to NCHW


class Transform(Protocol):
    """Makes the crop that the network sees; the same seed gives the same crop."""

    def __call__(self, image_rgb: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
        """(H, W, 3) to (S, S, 3)."""
        ...


class LabelledImages(Dataset[CropAndTarget]):
    """Images with one target row each, addressed by (epoch, index)."""

    def __init__(
        self, records: Sequence[Record], labels: Sequence[str], *, transform: Transform, seed: int
    ) -> None:
        self.targets = target_matrix(records, labels)
        self._images = [record.image for record in records]
        self.is_remote = waits_for_network(records)
        self._files = SideBySide(read_image, parallel=self.is_remote)
        self._transform = transform
        self._seed = seed

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Key) -> CropAndTarget:
        """Return a crop (S, S, 3) uint8 and its target row (C,)."""
        (sample,) = self.__getitems__([key])
        return sample

    def __getitems__(self, keys: Sequence[tuple[int, ...]]) -> list[CropAndTarget]:
        """Return a batch; a key may announce, after epoch and index, an index of the next batch.

        Where images are remote, they are read side by side, and while others are augmented.
        """
        files = self._files.map(
            [self._images[key[1]] for key in keys],
            then=[self._images[index] for key in keys for index in key[2:]],
        )
        return [self._sample(key[0], key[1], data) for key, data in zip(keys, files, strict=True)]

    def _sample(self, epoch: int, index: int, data: bytes) -> CropAndTarget:
        crop = self._transform(decode_image(data), seed=mix_seed(self._seed, epoch, index))
        return crop, self.targets[index]


@dataclass(frozen=True, slots=True)
class Share:
    """What one of `count` processes takes of a data set."""

    index: int = 0
    count: int = 1


WHOLE = Share()


class InOrder(Sampler[Key]):
    """Keys (0, index) of a share: every count-th record; none is in two shares or in none."""

    def __init__(self, length: int, *, share: Share = WHOLE) -> None:
        self._indices = range(share.index, length, share.count)

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Key]:
        return ((0, index) for index in self._indices)


class Shuffled(Sampler[Key]):
    """Keys (epoch, index) of a share of all records, in an order that follows from (seed, epoch).

    The processes deal out batch_size · count records at a time, so that they step through the
    order that one process with so large a batch would take. All make equally many batches: a rest
    of which one would get fewer than `least` records is left out of the epoch.
    """

    def __init__(
        self, length: int, *, batch_size: int, seed: int, share: Share = WHOLE, least: int = 1
    ) -> None:
        if length < share.count:
            raise UsageError(f"{length} images cannot be shared by {share.count} processes")
        self._length = length
        self._step = batch_size * share.count
        rest = length % self._step
        is_too_small = rest < min(least, batch_size) * share.count and length > self._step
        self._used = length - rest if is_too_small else length
        self._seed = seed
        self._share = share
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        self._epoch = epoch

    def __len__(self) -> int:
        share, whole_steps = self._share, self._used // self._step * self._step
        rest = range(share.index, self._used - whole_steps, share.count)
        return whole_steps // share.count + len(rest)

    def __iter__(self) -> Iterator[Key]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._length)
        for begin in range(0, self._used, self._step):
            step = order[begin : min(begin + self._step, self._used)]
            for index in step[self._share.index :: self._share.count]:
                yield self._epoch, int(index)


def build_loader(
    dataset: LabelledImages,
    *,
    batch_size: int,
    workers: int,
    shuffle_seed: int | None,
    share: Share = WHOLE,
    normalized: Normalized = normalize,
) -> DataLoader[Batch]:
    """Return a loader over a share of the data set, shuffled where there is a seed.

    While shuffling a last batch of one image is left out: BatchNorm cannot learn from it.
    """
    count = len(dataset)
    keys: Sampler[Key]
    if shuffle_seed is None:
        keys = InOrder(count, share=share)
    else:
        keys = Shuffled(count, batch_size=batch_size, seed=shuffle_seed, share=share, least=2)
    workers = min(workers, cpu_count() or 1)
    return DataLoader(
        cast(Dataset[Batch], dataset),  # what collate makes of its samples
        batch_size=batch_size,
        sampler=Announced(keys, distance=batch_size * max(1, workers))
        if dataset.is_remote
        else keys,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=partial(collate, normalized=normalized),
        worker_init_fn=leave_signals_to_the_trial,
        pin_memory=torch.cuda.is_available(),
    )


def leave_signals_to_the_trial(_: int) -> None:
    """Ctrl-C reaches the whole process group; a worker that dies of it looks like a crash."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def collate(
    samples: Sequence[CropAndTarget],
    *,
    normalized: Normalized = normalize,
) -> Batch:
    """Stack crops and targets and normalise as the server does."""
    crops, targets = zip(*samples, strict=True)
    return torch.from_numpy(normalized(np.stack(crops))), torch.from_numpy(np.stack(targets))


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
