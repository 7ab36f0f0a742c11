"""AutoMode against the default model with its defaults: synthetic data, the same time for both."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from benchmarks.timing import CONSOLE
from inference.model_folder import open_model_folder
from training.data.synthetic.write import (
    WrittenDataset,
    write_classification_dataset,
    write_multilabel_dataset,
)
from training.data.synthetic.write_scenes import write_detection_dataset

_SIZE_HW = (240, 320)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A task and how its data set is made, in a given folder."""

    task: str
    write: Callable[[Path], WrittenDataset]


BENCHMARKS: Mapping[str, Benchmark] = {
    "classes": Benchmark(
        "image_classification",
        partial(
            write_classification_dataset,
            images_per_class=60,
            validation_per_class=40,
            size_hw=_SIZE_HW,
            seed=11,
        ),
    ),
    "several": Benchmark(
        "image_classification_multilabel",
        partial(
            write_multilabel_dataset, images=240, validation_images=120, size_hw=_SIZE_HW, seed=12
        ),
    ),
    "boxes": Benchmark(
        "image_object_detection",
        partial(write_detection_dataset, images=120, validation_images=60, seed=13),
    ),
    "outlines": Benchmark(
        "image_instance_segmentation",
        partial(write_detection_dataset, images=120, validation_images=60, seed=14, masks=True),
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of a job: its best trial, and what it took."""

    model: str
    value: float
    trials: int
    seconds: float


def compare_automode(folder: Path, *, names: Sequence[str], minutes: int, trials: int) -> None:
    """Run both jobs on each data set, one after the other, and print the table.

    Networks start at random, since weights cannot be fetched everywhere. A job that is at its time
    limit ends with its best epoch so far. `folder` must be new: a job's run is never taken again.
    """
    table = Table("data", "job", "best model", "metric", "trials", "minutes")
    for name in names:
        benchmark = BENCHMARKS[name]
        data = folder / name
        written = benchmark.write(data)
        limits = {"default": {"max_trials": 1}, "AutoMode": {"max_trials": trials}}
        for kind, limit in limits.items():
            job = _job(benchmark.task, written, {**limit, "timeout_minutes": minutes})
            got = _outcome(job, data / kind.lower())
            shown = f"{got.value:.4f}", str(got.trials), f"{got.seconds / 60:.1f}"
            table.add_row(name, kind, got.model, *shown)
    CONSOLE.print(table)


def _job(task: str, data: WrittenDataset, limits: Mapping[str, int]) -> dict[str, Any]:
    parameters: dict[str, Any] = {"pretrained": False, "number_of_workers": 1, "random_seed": 0}
    return {
        "task": task,
        "experiment_name": "automode",
        "training_data": {"path": str(data.training.absolute())},
        "validation_data": {"path": str(data.validation.absolute())},
        "limits": dict(limits),
        "training_parameters": parameters,
    }


def _outcome(job: Mapping[str, Any], folder: Path) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump(dict(job)), encoding="utf-8")
    command = [sys.executable, "-m", "training", "run", str(path), "--runs", str(folder / "runs")]
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - begin
    (run,) = (folder / "runs").glob("*/*")
    rows = json.loads((run / "leaderboard.json").read_text(encoding="utf-8"))
    model = open_model_folder(run / "best" / "model").facts.family
    return Outcome(model, rows[0]["value"], len(rows), seconds)
