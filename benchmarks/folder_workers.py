"""Folder scoring with several worker processes against one, each with one core."""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.model_folder import write_random_model
from benchmarks.timing import CONSOLE

_SIDE = 64


def compare_workers(*, images: int, workers: int, rounds: int) -> None:
    """Print images per second, start of the processes left out, and their ratio.

    Each side is measured twice, on all images and on a tenth of them; the difference is what the
    other nine tenths take.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_random_model(
            "resnet18", folder / "model", labels=10, crop_size=_SIDE, resize_size=_SIDE
        )
        _write_photos(folder / "all", images)
        _write_photos(folder / "few", images // 10)
        ratios = []
        for _ in range(rounds):
            one, many = (_speed(folder, images, count) for count in (1, workers))
            ratios.append(many / one)
            CONSOLE.print(
                f"1 worker {one:.0f}, {workers} workers {many:.0f} images/s, ratio {many / one:.2f}"
            )
        CONSOLE.print(f"median ratio {median(ratios):.2f}")


def _speed(folder: Path, images: int, workers: int) -> float:
    seconds = {name: _seconds(folder, name, workers) for name in ("few", "all")}
    return (images - images // 10) / (seconds["all"] - seconds["few"])


def _seconds(folder: Path, name: str, workers: int) -> float:
    """Time a whole run; one worker runs on one core, as each of several does."""
    output = folder / f"{name}.jsonl"
    output.unlink(missing_ok=True)
    command = [sys.executable, "-m", "inference", str(folder / name)]
    command += ["--model", str(folder / "model"), "--output", str(output)]
    command += ["--engine", "onnxruntime", "--device", "cpu", "--workers", str(workers)]
    cores = sorted(os.sched_getaffinity(0))[:workers]
    begin = time.perf_counter()
    subprocess.run(
        ["taskset", "--cpu-list", ",".join(map(str, cores)), *command],
        check=True,
        capture_output=True,
    )
    seconds = time.perf_counter() - begin
    with output.open("rb") as file:
        lines = sum(1 for _ in file)
    if lines != sum(1 for _ in (folder / name).iterdir()):
        raise RuntimeError(f"{output} has {lines} lines")
    return seconds


def _write_photos(folder: Path, count: int) -> None:
    """Links to a few JPEG files of 96×72 pixels."""
    import cv2
    import numpy as np

    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        path = folder / f"{i:06}.jpg"
        if i < 100:
            cv2.imwrite(str(path), rng.integers(0, 256, (72, 96, 3), np.uint8))
        else:
            path.hardlink_to(folder / f"{i % 100:06}.jpg")
