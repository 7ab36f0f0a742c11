"""Score every image below a folder into a file of JSON lines, and go on where a run stopped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import DeviceLost, SightlineError, UsageError
from inference.folder_files import JsonLines, read_done, shown
from inference.folder_sources import ImageSource
from inference.pipeline import Result
from inference.predictor import Predictor, Source
from inference.responses import result_body
from inference.settings import Settings

ERRORS_FILE = "errors.jsonl"

Explain = Callable[[bytes], dict[str, Any]]  # an image file to the keys that its line gets
Draw = Callable[[str, bytes, Result], None]  # name, image file, what was found in it


@dataclass(frozen=True, slots=True)
class Todo:
    """What is left of a source: names, sorted, and how many have been scored before."""

    source: ImageSource
    names: tuple[str, ...]
    done_before: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How many images this run scored, and how many failed."""

    scored: int
    failed: int


@dataclass(frozen=True, slots=True)
class Scorer:
    """What makes a line of an image.

    `settings` replaces the model folder's; `explain` adds to the line, `draw` gets every result.
    """

    predictor: Predictor
    settings: Settings | None = None
    explain: Explain | None = None
    draw: Draw | None = None

    def lines(self, source: ImageSource, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield each image's line in order: its result, or {"filename", "error"}.

        Raises DeviceLost and UsageError, which are no image's own.
        """
        scored = self.predictor.stream(source.images(names), settings=self.settings)
        for name, (image, future) in zip(names, scored, strict=True):
            try:
                body = self._body(name, image, future.result().value)
            except (DeviceLost, UsageError):
                raise
            except (SightlineError, OSError) as error:
                body = {"error": _error(error)}
            yield {"filename": shown(name), **body}

    def _body(self, name: str, image: Source, result: Result) -> dict[str, Any]:
        body = result_body(result)
        if self.explain is not None:
            body |= self.explain(_bytes_of(image))
        if self.draw is not None:
            self.draw(name, _bytes_of(image), result)
        return body


def plan(source: ImageSource, output: Path, *, labels: tuple[str, ...]) -> Todo:
    """Find the images that `output` has no line for. Raises UsageError."""
    names = source.names()
    done = read_done(output, labels)
    missing = tuple(name for name in names if shown(name) not in done)
    return Todo(source, missing, len(names) - len(missing))


def score_folder(
    todo: Todo, output: Path, scorer: Scorer, *, on_image: Callable[[], None] = lambda: None
) -> Tally:
    """Append a line per image to `output`, in order; failures go into errors.jsonl beside it.

    `on_image` is called after each image. Raises OSError when a result cannot be written.
    """
    errors_path = output.with_name(ERRORS_FILE)
    errors_path.unlink(missing_ok=True)  # what failed before is tried again now
    with JsonLines(output) as results, JsonLines(errors_path) as errors:
        for line in scorer.lines(todo.source, todo.names):
            (errors if "error" in line else results).write(line)
            on_image()
    return Tally(results.count, errors.count)


def _bytes_of(image: Source) -> bytes:
    return image if isinstance(image, bytes) else image.read_bytes()


def _error(error: SightlineError | OSError) -> dict[str, str]:
    if isinstance(error, SightlineError):
        return {"code": error.code, "message": str(error)}
    return {"code": "unreadable_file", "message": error.strerror or str(error)}
