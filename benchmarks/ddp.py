"""Training by several processes, one thread each, against one process with their batch."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import sleep

import yaml

from benchmarks.timing import CONSOLE, report
from training.automl.launcher import SubprocessLauncher
from training.automl.slots import Slot
from training.data.synthetic import write_classification_dataset
from training.jobs import prepare
from training.metrics_file import MetricsFile

_CLASSES = 4  # of the synthetic data set
_SIDE = 96  # pixels
_TARGET = 1.6  # times the throughput, of two processes on two cores


def compare_processes(
    family: str, *, processes: int, images: int, batch: int, epochs: int, rounds: int
) -> None:
    """Train the same job in turns; an epoch's time is the median of all but the first.

    `batch` images make a step, whoever takes them. Reading, decoding and augmenting the images is
    part of each process's work; starting it and exporting the model are not measured.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_classification_dataset(
            folder / "data",
            images_per_class=images // _CLASSES,
            validation_per_class=4,
            size_hw=(_SIDE, _SIDE),
            seed=1,
        )
        seconds: dict[str, list[float]] = {"1 process": [], f"{processes} processes": []}
        for turn in range(rounds):
            for what, count in zip(seconds, (1, processes), strict=True):
                job = _job(folder, family, batch=batch // count, epochs=epochs)
                seconds[what].append(_epoch_seconds(job, f"{turn}-{count}", count))
    one, several = (median(values) for values in seconds.values())
    report(f"an epoch of {family}, {images} images of {_SIDE} px", seconds, baseline="1 process")
    CONSOLE.print(
        f"throughput of {processes} processes: {one / several:.2f} × that of one "
        f"(target for 2 on two free cores: {_TARGET})"
    )


def _job(folder: Path, family: str, *, batch: int, epochs: int) -> Path:
    job = {
        "task": "image_classification",
        "training_data": str(folder / "data" / "training-mltable-folder"),
        "validation_data": str(folder / "data" / "validation-mltable-folder"),
        "training_parameters": {
            "model_name": family,
            "pretrained": False,
            "number_of_epochs": epochs,
            "training_batch_size": batch,
            "validation_batch_size": batch,
            "number_of_workers": 0,
            "random_seed": 1,
            "training_crop_size": _SIDE,
            "validation_crop_size": _SIDE,
            "validation_resize_size": _SIDE,
        },
    }
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    return path


def _epoch_seconds(job: Path, name: str, processes: int) -> float:
    overrides = [f"name={name}", f"properties.processes_per_node={processes}"]
    run, _, _ = prepare(job, overrides=overrides, root=job.parent / "runs")
    (trial,) = run.trials()
    handle = SubprocessLauncher().start(trial.path, Slot(0, (), threads=1), seconds=3600)
    while (code := handle.exit_code()) is None:
        sleep(0.2)
    if code != 0:
        raise RuntimeError(f"the trial has ended with {code}: {trial.status()}")
    return median(row["seconds"] for row in MetricsFile(trial.metrics).rows()[1:])
