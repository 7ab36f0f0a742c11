"""`python -m training check-data`: a job's data, or a table by itself, examined and cleaned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from inference.canvas import letterbox_scale, short_side_scale
from inference.errors import UsageError
from inference.files import write_text_atomically
from inference.names import unknown_name
from inference.types import CLASSIFICATION_TASKS, Task
from training.data.doctor.as_json import diagnosis_json
from training.data.doctor.examine import examine
from training.data.doctor.fix import write_fixed
from training.data.doctor.page import page_html
from training.data.doctor.read import Sheet, read_sheet, task_of
from training.data.doctor.show import CONSOLE, print_diagnosis, print_fixed
from training.data.doctor.sizes import ModelCanvas
from training.hyperparameter_schema import LetterboxHyperparameters, ShortSideHyperparameters
from training.hyperparameters import resolve
from training.job import read_job
from training.show import progress_bar


@dataclass(frozen=True, slots=True)
class _Data:
    """What is to be examined, and for which model."""

    training: Path
    validation: Path | None
    task: Task
    label_key: str
    datastores: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)


def check_data(
    source: Annotated[
        Path, typer.Argument(help="Job file (.yml), folder with an MLTable, or .jsonl file.")
    ],
    validation: Annotated[
        Path | None, typer.Option(help="Validation data, where the source is a table.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="As in job files; told from the labels if left out.")
    ] = None,
    label_key: Annotated[str | None, typer.Option(help="Key of the labels.")] = None,
    datastore: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER, for remote image URLs.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model that object sizes are judged for.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write an HTML page with pictures.")] = None,
    fix: Annotated[
        Path | None,
        typer.Option(help="Write cleaned tables: a .jsonl file, or a folder with an MLTable."),
    ] = None,
) -> None:
    """Examine a data set. Exit code 0: no errors in it, 1: errors, 2: a mistake in the call."""
    data = _data(source, validation, task, label_key, datastore or [], model)
    canvas = _canvas(data)
    sheets = _sheets(data)
    diagnosis = examine(
        {name: sheet.split() for name, sheet in sheets.items()}, task=data.task, canvas=canvas
    )
    print_diagnosis(diagnosis)
    if json_file is not None:
        _write(
            json_file, json.dumps(diagnosis_json(diagnosis), indent=2, ensure_ascii=False) + "\n"
        )
    if page is not None:
        _write(page, page_html(diagnosis, title=str(source)))
    if fix is not None:
        print_fixed(write_fixed(sheets, fix, label_key=data.label_key))
    if diagnosis.has_errors():
        raise typer.Exit(1)


def _data(
    source: Path,
    validation: Path | None,
    task: str | None,
    label_key: str | None,
    datastore: Sequence[str],
    model: str | None,
) -> _Data:
    stores = dict(map(_datastore, datastore))
    parameters = {} if model is None else {"model_name": model}
    if source.suffix.lower() in (".yml", ".yaml"):
        return _of_job(source, (validation, task, label_key), stores, parameters)
    key = label_key or "label"
    return _Data(
        source,
        validation,
        _task(task) if task else task_of(source, label_key=key, datastores=stores),
        key,
        stores,
        parameters,
    )


def _of_job(
    source: Path,
    of_tables: tuple[Path | str | None, ...],
    datastores: Mapping[str, str],
    parameters: Mapping[str, str],
) -> _Data:
    names = ("--validation", "--task", "--label-key")
    if given := [name for name, value in zip(names, of_tables, strict=True) if value is not None]:
        raise UsageError(f"{', '.join(given)}: the job file {source} says so itself; leave it out")
    job = read_job(source)
    return _Data(
        job.training_data,
        job.validation_data,
        job.task,
        job.target_column_name,
        {**job.datastores, **datastores},
        parameters or job.parameters,
    )


def _task(name: str) -> Task:
    shape = name.lower().replace("-", "_")
    try:
        return Task(shape)
    except ValueError:
        raise UsageError(f"--task: {unknown_name('task', name, [t.value for t in Task])}") from None


def _datastore(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise UsageError(f"--datastore must be NAME=FOLDER, got {text!r}")
    return name, folder


def _sheets(data: _Data) -> dict[str, Sheet]:
    read = partial(read_sheet, task=data.task, label_key=data.label_key, datastores=data.datastores)
    with progress_bar("checking images") as progress:
        sheets = {"training": read(data.training, progress=progress)}
        if data.validation is not None:
            sheets["validation"] = read(data.validation, progress=progress)
    return sheets


def _canvas(data: _Data) -> ModelCanvas | None:
    """How the model lays out images; None for classifiers."""
    values = resolve(data.parameters, task=data.task)
    if data.task in CLASSIFICATION_TASKS:
        return None
    if isinstance(values, LetterboxHyperparameters):
        size = values.image_size
        return ModelCanvas(
            values.model_name, "image_size", size, partial(letterbox_scale, size=size)
        )
    if not isinstance(values, ShortSideHyperparameters):
        raise TypeError(f"hyperparameters of a detector wanted, got {type(values)}")
    scale = partial(short_side_scale, min_size=values.min_size, max_size=values.max_size)
    return ModelCanvas(values.model_name, "min_size", values.min_size, scale)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    CONSOLE.print(f"written {path}", markup=False)
