"""Benchmarks of our own parts; docs/benchmarks.md has the results."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from benchmarks.timing import CONSOLE
from inference.engine import resolve_device
from inference.errors import UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Families = Annotated[list[str] | None, typer.Option("--family", help="Family; may be repeated.")]


def _usable(device: str) -> str:
    try:
        return resolve_device(device)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


Device = Annotated[
    Literal["cpu", "cuda"], typer.Option(callback=_usable, help="Where the networks are.")
]
Rounds = Annotated[int, typer.Option(min=1)]


@app.command()
def detection_training(
    family: Families = None, images: int = 2, side: int = 256, rounds: Rounds = 5
) -> None:
    """A training step of ours against a bare PyTorch loop."""
    from benchmarks.detection_training import compare_training_steps

    _say_where()
    for name in family or ["fasterrcnn_resnet18_fpn", "maskrcnn_resnet18_fpn", "yolov5"]:
        compare_training_steps(name, images=images, size_hw=(side, side), rounds=rounds)


@app.command()
def detection_postprocessing(family: Families = None, rounds: Rounds = 7) -> None:
    """Decoding, NMS and polygons against the forward pass, at 100 detections."""
    from benchmarks.detection_inference import compare_postprocessing

    _say_where()
    for name in family or ["fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "yolov5"]:
        compare_postprocessing(name, rounds=rounds)


@app.command()
def tiled_scoring(family: str = "yolov5", rounds: Rounds = 5, batch: int = 2) -> None:
    """A photo of 12 megapixels in 4x3 tiles against its 13 forward passes."""
    from benchmarks.detection_inference import compare_tiles

    _say_where()
    compare_tiles(family, rounds=rounds, batch=batch)


@app.command()
def small_objects(
    folder: Path = Path("demo/small-objects"),
    pictures: int = 160,
    epochs: int = 15,
    scenes: int = 2,
) -> None:
    """Recall of objects of 12 pixels in 2000×1500, with tiles and without; trains first."""
    from benchmarks.small_objects import compare_tilings

    _say_where()
    compare_tilings(folder, pictures=pictures, epochs=epochs, scenes=scenes)


@app.command()
def resizing(rounds: Rounds = 7) -> None:
    """A classifier's resize and crop against Pillow's, which gives the same pixels."""
    from benchmarks.resizing import compare_resizing

    _say_where()
    compare_resizing(rounds=rounds)


@app.command()
def model_folder(
    family: str,
    folder: Path,
    labels: Annotated[int, typer.Option(min=2)] = 10,
    crop: Annotated[int, typer.Option(min=32, help="valid_crop_size, pixels.")] = 224,
    resize: Annotated[int, typer.Option(min=32, help="valid_resize_size, pixels.")] = 256,
) -> None:
    """Write a classifier's model folder with random weights into FOLDER, for load tests."""
    from benchmarks.model_folder import write_random_model

    write_random_model(family, folder, labels=labels, crop_size=crop, resize_size=resize)
    CONSOLE.print(f"{family} with {labels} labels at {crop} px: {folder}")


@app.command()
def engines(
    model: Annotated[
        list[Path],
        typer.Option(help="Model folder; may be repeated.", exists=True, file_okay=False),
    ],
    device: Device = "cpu",
) -> None:
    """What each engine takes for a batch, and which one `auto` would choose; timed anew."""
    from benchmarks.engines import compare_engines

    _say_where()
    for folder in model:
        compare_engines(folder, device=device)


@app.command(name="odam")
def explanations_of_detections(
    family: Families = None, side: int = 480, detections: int = 10, rounds: Rounds = 5
) -> None:
    """Maps of single detections against the gradient through all of a detector's heads."""
    from benchmarks.odam import compare_odam

    _say_where()
    for name in family or ["fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"]:
        compare_odam(name, side=side, detections=detections, rounds=rounds)


@app.command()
def explanations(
    family: Families = None,
    side: Annotated[int, typer.Option(min=32)] = 224,
    steps: Annotated[int, typer.Option(min=2, help="Nodes of the references.")] = 50,
    rounds: Rounds = 3,
    device: Device = "cpu",
) -> None:
    """XRAI and integrated gradients of classifiers against saliency, captum and the bare passes."""
    from benchmarks.explanations import compare_explanations

    _say_where()
    for name in family or ["resnet18", "resnet50", "mobilenetv2", "vits16r224"]:
        compare_explanations(name, side=side, steps=steps, rounds=rounds, device=device)


@app.command()
def xrai_nodes(
    model: Annotated[
        list[Path],
        typer.Option(help="Model folder; may be repeated.", exists=True, file_okay=False),
    ],
    image: Annotated[
        list[Path], typer.Option(help="Image file; may be repeated.", exists=True, dir_okay=False)
    ],
) -> None:
    """Errors of XRAI by the number of its nodes, on trained classifiers."""
    from benchmarks.xrai_nodes import compare_nodes

    compare_nodes(model, image)


@app.command()
def automode(
    folder: Annotated[Path, typer.Option(help="New folder for data and runs.")] = Path(
        "demo/automode"
    ),
    data: Annotated[
        list[str] | None, typer.Option(help="classes, several, boxes or outlines; repeatable.")
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, help="Time limit of each job.")] = 8,
    trials: Annotated[int, typer.Option(min=2)] = 6,
) -> None:
    """AutoMode against the default model with its defaults, the same time for both."""
    from benchmarks.automode import BENCHMARKS, compare_automode

    _say_where()
    compare_automode(folder, names=data or list(BENCHMARKS), minutes=minutes, trials=trials)


@app.command()
def controller(
    trials: Annotated[int, typer.Option(min=1)] = 1000,
    at_once: Annotated[int, typer.Option(min=1, help="Trials at a time.")] = 100,
    epochs: Annotated[int, typer.Option(min=1, help="Reports of each trial.")] = 10,
    sampling: Annotated[Literal["random", "bayesian"], typer.Option()] = "random",
) -> None:
    """What a sweep's controller takes by itself, with trials that take no time."""
    from benchmarks.controller import time_controller

    _say_where()
    time_controller(trials=trials, at_once=at_once, epochs=epochs, sampling=sampling)


@app.command()
def streaming(
    images: Annotated[int, typer.Option(min=10)] = 1000,
    latency_ms: Annotated[float, typer.Option(min=0)] = 50,
    workers: Annotated[int, typer.Option(min=1, help="Data workers.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    rounds: Rounds = 3,
) -> None:
    """Training on images in a far object store against local files, cache empty and full."""
    from benchmarks.streaming import compare_streaming

    _say_where()
    compare_streaming(
        images=images,
        latency_s=latency_ms / 1000,
        rounds=rounds,
        workers=workers,
        batch_size=batch_size,
    )


@app.command()
def folder_workers(
    images: Annotated[int, typer.Option(min=100)] = 20_000,
    workers: Annotated[int, typer.Option(min=2)] = 2,
    rounds: Rounds = 3,
) -> None:
    """Folder scoring with several single-threaded workers against one."""
    from benchmarks.folder_workers import compare_workers

    _say_where()
    compare_workers(images=images, workers=workers, rounds=rounds)


@app.command()
def ddp(
    family: str = "resnet18",
    processes: Annotated[int, typer.Option(min=2)] = 2,
    images: int = 192,
    batch: Annotated[int, typer.Option(help="Images per step, of all processes.")] = 32,
    epochs: Annotated[int, typer.Option(min=2)] = 4,
    rounds: Rounds = 3,
) -> None:
    """Training by several single-threaded processes against one."""
    from benchmarks.ddp import compare_processes

    _say_where()
    compare_processes(
        family, processes=processes, images=images, batch=batch, epochs=epochs, rounds=rounds
    )


def _say_where() -> None:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision"))
    threads = torch.get_num_threads()
    CONSOLE.print(
        f"{platform.processor() or platform.machine()}, {threads} threads, {gpu}; {packages}"
    )


if __name__ == "__main__":
    app()
