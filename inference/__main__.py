"""Score a folder of images: `python -m inference SRC --model DIR|NAME:VERSION --output DST`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inference.engine import AUTO, DEVICES, ENGINES
from inference.errors import SightlineError, UsageError
from inference.folder import ERRORS_FILE, plan, score_folder
from inference.folder_plan import is_open
from inference.folder_scorer import (
    CLASSIFIER_ALGORITHMS,
    DETECTOR_ALGORITHMS,
    ScorerOptions,
    check_options,
    open_scorer,
)
from inference.folder_sharing import LAUNCHERS, Shared, score_shared
from inference.folder_sources import open_source
from inference.folder_workers import Task
from inference.leases import DEFAULT_S
from inference.part_store import open_parts
from inference.storage import is_remote
from inference.stored_models import open_model

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
_CONSOLE = Console(stderr=True)
_PLACES = "local, or s3://…, gs://…, abfs://…"


Source = Annotated[
    str, typer.Argument(metavar="SRC", help=f"Folder of images or one image: {_PLACES}")
]
Model = Annotated[str, typer.Option(help="Model folder, or NAME:VERSION in the model store.")]
Output = Annotated[str, typer.Option(metavar="DST", help=f"File of JSON lines: {_PLACES}")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE, replaces a setting: box_score_thresh=0.5"),
]
Draw = Annotated[
    Path | None, typer.Option(help="Detectors: folder for pictures of what was found.")
]
Explain = Annotated[
    str | None,
    typer.Option(
        help=f"Classifiers: {' | '.join(CLASSIFIER_ALGORITHMS)}; "
        f"detectors: {' | '.join(DETECTOR_ALGORITHMS)}"
    ),
]
Attributions = Annotated[bool, typer.Option(help="With --explain: the numbers too.")]
Engine = Annotated[str, typer.Option(help=" | ".join((AUTO, *ENGINES)))]
Device = Annotated[str, typer.Option(help=" | ".join(DEVICES))]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Images per batch.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes; the same command on other machines shares the work."),
]
Launcher = Annotated[str, typer.Option(help=f"Starts workers: {' | '.join(LAUNCHERS)}")]
Address = Annotated[str | None, typer.Option(help="Ray: the cluster's address.")]
LeaseSeconds = Annotated[
    float, typer.Option(min=1, help="So long silent, a worker of another machine is dead.")
]


@app.command()
def score(
    source: Source,
    model: Model,
    output: Output = "predictions.jsonl",
    overrides: Overrides = None,
    draw: Draw = None,
    explain: Explain = None,
    attributions: Attributions = False,
    engine: Engine = AUTO,
    device: Device = "auto",
    batch_size: BatchSize = None,
    workers: Workers = None,
    launcher: Launcher = "local",
    address: Address = None,
    lease_seconds: LeaseSeconds = DEFAULT_S,
) -> None:
    """Score every image of SRC into a file of JSON lines.

    A second call does only what is missing. Images that cannot be scored are listed in
    errors.jsonl beside the output. Exit code: 0 if nothing failed, 1 if some images did, 2 for a
    mistake in the call, 130 after Ctrl-C.
    """
    try:
        opened = open_model(model)
        options = ScorerOptions(
            model=opened,
            settings=opened.settings.overridden(_values(overrides or [])),
            explain=explain,
            attributions=attributions,
            draw=draw,
            engine=engine,
            device=device,
            batch_size=batch_size,
        )
        check_options(options)
        task = Task(open_source(source), output, options, lease_seconds)
        with _Bar() as bar:
            if workers is None and launcher == "local" and not _needs_parts(output):
                shared = _score_alone(task, bar)
            else:
                shared = score_shared(
                    task,
                    workers=workers or 1,
                    launcher=launcher,
                    address=address,
                    on_plan=bar.begin,
                    on_line=bar.advance,
                )
    except KeyboardInterrupt:
        _say(f"stopped; the same command goes on where {output} ends")
        raise typer.Exit(130) from None
    _say(_summary(shared, output))
    raise typer.Exit(1 if shared.failed else 0)


def _needs_parts(output: str) -> bool:
    """Whether the lines cannot be appended to the output: it is remote, or others share it."""
    return is_remote(output) or is_open(open_parts(output))


def _score_alone(task: Task, bar: "_Bar") -> Shared:
    """Score in this process and append to the output at once."""
    output = Path(task.output)
    todo = plan(task.source, output, labels=task.options.model.facts.labels)
    bar.begin(len(todo.names))
    with open_scorer(task.options) as scorer:
        tally = score_folder(todo, output, scorer, on_image=bar.advance)
    return Shared(tally.scored, 0, tally.failed, todo.done_before)


class _Bar:
    """A progress bar on the terminal, shown once there is something to count."""

    def __init__(self) -> None:
        columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=_CONSOLE)
        self._task = self._progress.add_task("", visible=False)

    def begin(self, images: int) -> None:
        """Show that so many are to be scored."""
        self._progress.update(self._task, total=images, visible=True)

    def advance(self) -> None:
        """Count one."""
        self._progress.advance(self._task)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


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


def _summary(shared: Shared, output: str) -> str:
    parts = [f"{shared.scored} images scored into {output}"]
    if shared.by_others:
        parts.append(f"{shared.by_others} by others")
    if shared.done_before:
        parts.append(f"{shared.done_before} were there already")
    if shared.failed:
        folder, slash, _ = output.rpartition("/")
        parts.append(f"{shared.failed} failed, see {folder}{slash}{ERRORS_FILE}")
    return ", ".join(parts)


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
