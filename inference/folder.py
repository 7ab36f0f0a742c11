"""Score every image below a folder into a file of JSON lines, and go on where a run stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import SightlineError
from inference.folder_files import JsonLines, find_images, read_done, shown
from inference.pipeline import Result
from inference.predictor import Predictor
from inference.responses import result_body
from inference.settings import Settings

ERRORS_FILE = "errors.jsonl"

Explain = Callable[[bytes], dict[str, Any]]  # an image file to the keys that its line gets
Draw = Callable[[str, bytes, Result], None]  # name, image file, what was found in it


@dataclass(frozen=True, slots=True)
class Todo:
    """What is left of a folder: relative paths, sorted, and how many have been scored before."""

    folder: Path
    names: tuple[str, ...]
    done_before: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How many images this run scored, and how many failed."""

    scored: int
    failed: int


def plan(folder: Path, output: Path, *, labels: tuple[str, ...]) -> Todo:
    """Find the images that `output` has no line for. Raises UsageError."""
    names = find_images(folder)
    done = read_done(output, labels)
    missing = tuple(name for name in names if shown(name) not in done)
    return Todo(folder, missing, len(names) - len(missing))


def score_folder(
    todo: Todo,
    output: Path,
    predictor: Predictor,
    *,
    settings: Settings | None = None,
    explain: Explain | None = None,
    draw: Draw | None = None,
    on_image: Callable[[], None] = lambda: None,
) -> Tally:
    """Append a line per image to `output`, in order; failures go into errors.jsonl beside it.

    `settings` replaces the model folder's; `draw` gets every result, `on_image` is called after
    each image. Raises OSError when a result cannot be written.
    """
    errors_path = output.with_name(ERRORS_FILE)
    errors_path.unlink(missing_ok=True)  # what failed before is tried again now
    with JsonLines(output) as results, JsonLines(errors_path) as errors:
        paths = (todo.folder / name for name in todo.names)
        scored = predictor.stream(paths, settings=settings)
        for name, (path, future) in zip(todo.names, scored, strict=True):
            try:
                result = future.result().value
                body = result_body(result)
                if explain is not None:
                    body |= explain(_bytes_of(path))
                if draw is not None:
                    draw(name, _bytes_of(path), result)
            except (SightlineError, OSError) as error:
                errors.write({"filename": shown(name), "error": _error(error)})
            else:
                results.write({"filename": shown(name), **body})
            on_image()
    return Tally(results.count, errors.count)


def _bytes_of(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _error(error: SightlineError | OSError) -> dict[str, str]:
    if isinstance(error, SightlineError):
        return {"code": error.code, "message": str(error)}
    return {"code": "unreadable_file", "message": error.strerror or str(error)}
