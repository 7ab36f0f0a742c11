"""Score a folder of images: `python -m inference FOLDER --model DIR|NAME:VERSION`."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inference.engine import AUTO, DEVICES, ENGINES, resolve_device
from inference.errors import SightlineError, UsageError
from inference.folder import ERRORS_FILE, Draw, Explain, Tally, Todo, plan, score_folder
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.names import unknown_name
from inference.predictor import Predictor
from inference.schema import Algorithm, DetectorAlgorithm, OfflineAlgorithm, XaiParameters
from inference.settings import DetectionSettings, SegmentationSettings, Settings
from inference.stored_models import open_model
from inference.types import CLASSIFICATION_TASKS

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
_CONSOLE = Console(stderr=True)
_ALGORITHMS = get_args(Algorithm)
_OF_DETECTORS = (*get_args(DetectorAlgorithm), *get_args(OfflineAlgorithm))


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="Folder of images, searched recursively.")],
    model: Annotated[str, typer.Option(help="Model folder, or NAME:VERSION in the model store.")],
    output: Annotated[Path, typer.Option(help="File of JSON lines.")] = Path("predictions.jsonl"),
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE, replaces a setting: box_score_thresh=0.5"),
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(help="Detectors: folder for pictures of what was found.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            help=f"Classifiers: {' | '.join(_ALGORITHMS)}; detectors: {' | '.join(_OF_DETECTORS)}"
        ),
    ] = None,
    attributions: Annotated[bool, typer.Option(help="With --explain: the numbers too.")] = False,
    engine: Annotated[str, typer.Option(help=" | ".join((AUTO, *ENGINES)))] = AUTO,
    device: Annotated[str, typer.Option(help=" | ".join(DEVICES))] = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per batch.")] = None,
) -> None:
    """Score every image below FOLDER into a file of JSON lines.

    A second call does only what is missing. Images that cannot be scored are listed in
    errors.jsonl beside the output. Exit code: 0 if nothing failed, 1 if some images did, 2 for a
    mistake in the call, 130 after Ctrl-C.
    """
    try:
        opened = open_model(model)
        settings = opened.settings.overridden(_values(overrides or []))
        todo = plan(folder, output, labels=opened.facts.labels)
        explainer = _explainer(
            opened, explain, settings=settings, attributions=attributions, device=device
        )
        drawer = _drawer(opened, settings, draw)
        with Predictor(
            opened,
            engine=engine,
            device=device,
            max_batch=batch_size,
            max_queue=max(256, batch_size or 0),
        ) as predictor:
            tally = _score(
                todo, output, predictor, settings=settings, explain=explainer, draw=drawer
            )
    except KeyboardInterrupt:
        _say(f"stopped; the same command goes on where {output} ends")
        raise typer.Exit(130) from None
    _say(_summary(tally, todo, output))
    raise typer.Exit(1 if tally.failed else 0)


def _score(
    todo: Todo,
    output: Path,
    predictor: Predictor,
    *,
    settings: Settings,
    explain: Explain | None,
    draw: Draw | None,
) -> Tally:
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_CONSOLE) as progress:
        bar = progress.add_task("", total=len(todo.names))
        return score_folder(
            todo,
            output,
            predictor,
            settings=settings,
            explain=explain,
            draw=draw,
            on_image=lambda: progress.advance(bar),
        )


def _values(overrides: Sequence[str]) -> dict[str, Any]:
    """Read NAME=VALUE; a value is JSON if it can be read so, else text."""
    values = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise UsageError(f"--set takes NAME=VALUE, got {override!r}")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def _drawer(model: ModelFolder, settings: Settings, folder: Path | None) -> Draw | None:
    if folder is None:
        return None
    if not isinstance(settings, DetectionSettings):
        raise UsageError(f"--draw shows what a detector finds, and {model.path} is a classifier")
    from inference.draw import write_picture

    threshold = 0.5
    if isinstance(settings, SegmentationSettings):
        threshold = settings.mask_pixel_score_threshold
    return partial(write_picture, folder, mask_threshold=threshold)


def _summary(tally: Tally, todo: Todo, output: Path) -> str:
    parts = [f"{tally.scored} images scored into {output}"]
    if todo.done_before:
        parts.append(f"{todo.done_before} were there already")
    if tally.failed:
        parts.append(f"{tally.failed} failed, see {output.with_name(ERRORS_FILE)}")
    return ", ".join(parts)


def _explainer(
    folder: ModelFolder,
    algorithm: str | None,
    *,
    settings: Settings,
    attributions: bool,
    device: str,
) -> Explain | None:
    if algorithm is None:
        return None
    is_classifier = folder.facts.task in CLASSIFICATION_TASKS
    algorithms = _ALGORITHMS if is_classifier else _OF_DETECTORS
    if algorithm not in algorithms:
        raise UsageError(unknown_name("algorithm", algorithm, algorithms))
    from xai.explainer import explanation_body, load_explainer

    parameters = XaiParameters.model_validate(
        {"xai_algorithm": algorithm, "attributions": attributions}
    )
    explainer = load_explainer(folder, device=resolve_device(device), offline=True)

    def explain(data: bytes) -> dict[str, Any]:
        explanation = explainer.explain(decode_image(data), parameters, settings=settings)
        return explanation_body(explanation, parameters, folder.facts.task)

    return explain


def _say(text: str) -> None:
    _CONSOLE.print(text, markup=False, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command; a mistake of the user's is one line and exit code 2."""
    try:
        app()
    except (SightlineError, OSError) as error:
        _say(f"error: {error}")
        sys.exit(2)


if __name__ == "__main__":
    main()
