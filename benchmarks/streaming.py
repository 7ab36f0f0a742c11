"""Training on images in a far object store against the same images on the local disk."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.timing import CONSOLE
from training.data.augmentations import ClassificationAugmentation
from training.data.datasets import Batch, LabelledImages, build_loader
from training.data.image_cache import FOLDER_VARIABLE, image_cache
from training.data.records import Record
from training.data.remote_images import RemoteImage

_LABELS = ("a", "b")
_CROP = 224  # the default of training_crop_size


def compare_streaming(
    *, images: int, latency_s: float, rounds: int, workers: int, batch_size: int
) -> None:
    """Print images per second of an epoch over local files, and of two over remote ones.

    The first streamed epoch begins with an empty cache, the second reads from it.
    """
    speeds: tuple[list[tuple[float, float]], ...] = ([], [])  # (local, remote) by epoch
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = _write_photos(folder / "photos", images)
        local = [Record(path, _LABELS[i % 2], "") for i, path in enumerate(files)]
        remote = [
            Record(RemoteImage(f"s3://photos/{path.name}", "1"), _LABELS[i % 2], "")
            for i, path in enumerate(files)
        ]
        with _far_away(folder / "photos", latency_s):
            for _ in range(rounds + 1):  # the first one warms up
                with _empty_cache(folder / "cache"):
                    here = _epochs(local, workers, batch_size)
                    far = _epochs(remote, workers, batch_size)
                for epoch, (a, b) in enumerate(zip(here, far, strict=True)):
                    speeds[epoch].append((a, b))
    table = Table(
        "epoch", "local files", "remote", "ratio", title=f"{1000 * latency_s:.0f} ms away"
    )
    for name, pairs in zip(("first", "second"), speeds, strict=True):
        here, far = (median(side) for side in zip(*pairs[1:], strict=True))
        ratio = median(b / a for a, b in pairs[1:])
        table.add_row(name, f"{here:.0f} images/s", f"{far:.0f} images/s", f"{ratio:.2f}")
    CONSOLE.print(table)


def _epochs(records: Sequence[Record], workers: int, batch_size: int) -> list[float]:
    """Train two epochs with one loader; images per second of each."""
    dataset = LabelledImages(
        records, _LABELS, transform=ClassificationAugmentation(crop_size=_CROP), seed=0
    )
    loader = build_loader(dataset, batch_size=batch_size, workers=workers, shuffle_seed=0)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 7, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, len(_LABELS)),
    )  # fmt: skip
    return [_train(loader, network) for _ in range(2)]


def _train(loader: DataLoader[Batch], network: nn.Module) -> float:
    begin = time.perf_counter()
    images = _step_through(loader, network)
    return images / (time.perf_counter() - begin)


def _step_through(batches: Iterable[Batch], network: nn.Module) -> int:
    """Take a training step per batch; return how many images there were."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images = 0
    for pixels, targets in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pixels), targets).backward()
        optimizer.step()
        images += len(pixels)
    return images


def _write_photos(folder: Path, count: int) -> list[Path]:
    """JPEG files of 500×375 pixels, about 60 kB each: smooth shapes with some noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:05}.jpg" for i in range(count)]
    for path in paths:
        coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
        smooth = cv2.resize(coarse, (500, 375), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        noisy = smooth + rng.integers(-12, 13, smooth.shape, np.int16)
        cv2.imwrite(str(path), noisy.clip(0, 255).astype(np.uint8))
    return paths


@contextmanager
def _far_away(folder: Path, latency_s: float) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.slow_store", str(folder), str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        os.environ.update(
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.stdout.readline().strip()}",
            AWS_ACCESS_KEY_ID="none",
            AWS_SECRET_ACCESS_KEY="none",
            AWS_DEFAULT_REGION="us-east-1",
        )
        try:
            yield
        finally:
            server.terminate()


@contextmanager
def _empty_cache(folder: Path) -> Iterator[None]:
    os.environ[FOLDER_VARIABLE] = str(folder)
    image_cache.cache_clear()
    yield
    shutil.rmtree(folder, ignore_errors=True)
