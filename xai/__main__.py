"""Explain an image, or measure explanations; `python -m xai --help` lists the commands."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inference.engine import DEVICES, resolve_device
from inference.errors import SightlineError, UsageError
from inference.explainable import unavailable_methods
from inference.files import write_text_atomically
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.schema import XaiParameters
from inference.stored_models import open_model
from inference.types import CLASSIFICATION_TASKS
from inference.validation import describe
from xai.detection.explanation import DetectorExplanation, object_pngs
from xai.explainer import load_explainer
from xai.explanation import Explanation, explanation_pngs
from xai.quality.data import read_examples, spread
from xai.quality.evaluate import chosen_methods, evaluate
from xai.quality.page import page_html
from xai.quality.show import print_quality

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=__doc__,
)
_CONSOLE = Console(soft_wrap=True)
_ERRORS = Console(stderr=True, soft_wrap=True)

Model = Annotated[str, typer.Option(help="Model folder, or NAME:VERSION in the model store.")]
Device = Annotated[str, typer.Option(help=" | ".join(DEVICES))]


@app.command("explain")
def explain_image(
    image: Annotated[Path, typer.Argument(help="Image file.")],
    model: Model,
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    method: Annotated[str | None, typer.Option(help="xrai; for detectors odam.")] = None,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Classifiers: label to explain.")
    ] = None,
    boxes: Annotated[
        list[int] | None, typer.Option("--box", help="Detectors: place in the answer's boxes.")
    ] = None,
    n_steps: Annotated[str | None, typer.Option(help="Nodes per path, or auto.")] = None,
    device: Device = "auto",
) -> None:
    """Write the picture of an explanation, the one that a server sends.

    --class and --box can be repeated. Several pictures go into PICTURE-1.png, PICTURE-2.png, … in
    the order in which they are listed. Exit code: 0, 1 if the model found nothing to explain, 2
    for a mistake in the call.
    """
    _check_picture(out)
    pixels = _read_image(image)
    folder = open_model(model)
    parameters = _parameters(folder, method=method, classes=classes, boxes=boxes, n_steps=n_steps)
    explainer = load_explainer(folder, device=resolve_device(device), offline=True)
    start = time.perf_counter()
    explanation = explainer.explain(pixels, parameters)
    seconds = time.perf_counter() - start
    pictures = list(_pictures(explanation, parameters, folder.facts.labels))
    if not pictures:
        _say(_CONSOLE, "the model found nothing to explain")
        raise typer.Exit(1)
    for (text, png), path in zip(pictures, _paths(out, len(pictures)), strict=True):
        path.write_bytes(png)
        _say(_CONSOLE, f"{text}: {path}")
    _say(_CONSOLE, f"explained in {seconds:.2f} s")


@app.command("evaluate")
def evaluate_model(
    model: Model,
    data: Annotated[Path, typer.Option(help="JSONL file or, for classifiers, folder of images.")],
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="Can be repeated; default: all.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Images, evenly spread over the data.")] = 50,
    out: Annotated[
        Path | None, typer.Option(help="Folder for quality.json and quality.html.")
    ] = None,
    n_steps: Annotated[
        int | None, typer.Option(min=2, max=500, help="Classifiers: nodes per path.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is random.")] = 0,
    device: Device = "auto",
) -> None:
    """Measure how far a model's explanations can be trusted; see docs/explanation_quality.md.

    Exit code: 0, 2 for a mistake in the call, 130 after Ctrl-C.
    """
    folder = open_model(model)
    is_classifier = folder.facts.task in CLASSIFICATION_TASKS
    if n_steps is not None and not is_classifier:
        raise UsageError(f"--n-steps is for classifiers, and {model} is a detector")
    chosen = chosen_methods(
        methods or [], folder.facts.task, missing=unavailable_methods(folder.facts)
    )
    examples = spread(read_examples(data, with_objects=not is_classifier), most=images)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_ERRORS, disable=not _ERRORS.is_terminal) as progress:
        bar = progress.add_task("", total=len(examples))
        quality = evaluate(
            folder,
            examples,
            chosen,
            n_steps=n_steps,
            device=resolve_device(device),
            seed=seed,
            on_image=lambda: progress.advance(bar),
        )
    print_quality(quality, _CONSOLE)
    if out is not None:
        text = json.dumps(quality.as_json(), indent=2, ensure_ascii=False) + "\n"
        write_text_atomically(out / "quality.json", text)
        write_text_atomically(out / "quality.html", page_html(quality, model=model))
        _say(_CONSOLE, f"written {out / 'quality.json'} and {out / 'quality.html'}")


def _check_picture(path: Path) -> None:
    """Refuse what would only fail after the explanation."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"--out must name a .png file, got {path}")
    if not path.parent.is_dir():
        raise UsageError(f"folder {path.parent} for the picture does not exist")


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except SightlineError as error:
        raise UsageError(f"{path}: {error}") from None


def _parameters(
    folder: ModelFolder,
    *,
    method: str | None,
    classes: list[str] | None,
    boxes: list[int] | None,
    n_steps: str | None,
) -> XaiParameters:
    is_classifier = folder.facts.task in CLASSIFICATION_TASKS
    refused = {
        "--class": (classes, not is_classifier, "classifiers"),
        "--n-steps": (n_steps, not is_classifier, "classifiers"),
        "--box": (boxes, is_classifier, "detectors"),
    }
    for option, (value, is_foreign, kind) in refused.items():
        if value is not None and is_foreign:
            raise UsageError(f"{option} is for {kind}, which {folder.path} is not")
    if method is not None:
        missing = unavailable_methods(folder.facts)
        chosen_methods([method], folder.facts.task, missing=missing)
    values = {
        "xai_algorithm": method,
        "target_classes": classes,
        "boxes": boxes,
        "n_steps": int(n_steps) if n_steps and n_steps.isdecimal() else n_steps,
    }
    try:
        return XaiParameters.model_validate(values)
    except ValidationError as error:
        raise UsageError(describe(error, XaiParameters)) from None


def _pictures(
    explanation: Explanation | DetectorExplanation,
    parameters: XaiParameters,
    labels: Sequence[str],
) -> Iterator[tuple[str, bytes]]:
    """What is explained, with its probability, and its picture."""
    if isinstance(explanation, DetectorExplanation):
        found = explanation.found.detections
        for place, png in zip(explanation.explained, object_pngs(explanation), strict=True):
            label = labels[found.label_ids[place]]
            yield f"box {place}, {label} {found.scores[place]:.4f}", png
        return
    pngs = explanation_pngs(explanation, parameters)
    for target, png in zip(explanation.targets, pngs, strict=True):
        yield f"{labels[target]} {explanation.probs[target]:.4f}", png


def _paths(out: Path, count: int) -> list[Path]:
    if count == 1:
        return [out]
    return [out.with_stem(f"{out.stem}-{number}") for number in range(1, count + 1)]


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)


def main() -> None:
    """Run a command; a mistake of the user's is one line and exit code 2."""
    try:
        app()
    except (SightlineError, OSError) as error:
        _say(_ERRORS, f"error: {error}")
        sys.exit(2)


if __name__ == "__main__":
    main()
