"""A job file, read and checked: Azure's format, with paths made absolute and names made ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from inference.errors import UsageError
from inference.types import Task
from inference.validation import describe
from training.automl.checks import check_grid, check_space
from training.automl.spaces import parse_space
from training.automl.sweep_schema import parse_sweep
from training.data.locations import is_path, table_path
from training.hyperparameter_names import job_parameters
from training.job_overrides import with_override
from training.job_schema import DataInput, JobFile, Limits, Properties
from training.job_values import canonical
from training.job_yaml import read_yaml, without_nulls

Mode = Literal["single", "sweep", "automode"]
# The metrics that Azure can optimise; a task's first one is its default.
PRIMARY_METRICS: Mapping[Task, tuple[str, ...]] = {
    Task.CLASSIFICATION: (
        "accuracy",
        "AUC_weighted",
        "average_precision_score_weighted",
        "norm_macro_recall",
        "precision_score_weighted",
    ),
    Task.MULTILABEL: (
        "iou",
        "accuracy",
        "AUC_weighted",
        "average_precision_score_weighted",
        "precision_score_weighted",
    ),
    Task.DETECTION: ("mean_average_precision",),
    Task.SEGMENTATION: ("mean_average_precision",),
}


@dataclass(frozen=True, slots=True)
class Job:
    """What a job file asks for. Paths are absolute; whether they exist shows when data are read.

    parameters: `training_parameters` under the names of job files, `advanced_settings` unpacked;
    `hyperparameters.resolve` checks their values. mode: one trial, a sweep over `search_space`, or
    trials that the system chooses. search_space and sweep, as the file has them, are valid.
    datastores: Azure datastore or URL prefix to the folder that holds its files. ignored: keys of
    the file that mean something on Azure only.
    """

    task: Task
    name: str | None
    display_name: str | None
    description: str | None
    tags: Mapping[str, str]
    experiment_name: str
    primary_metric: str
    training_data: Path
    validation_data: Path | None
    validation_data_size: float
    target_column_name: str
    limits: Limits
    parameters: dict[str, Any]
    mode: Mode
    search_space: list[dict[str, Any]]
    sweep: dict[str, Any]
    datastores: Mapping[str, str]
    properties: Properties
    ignored: tuple[str, ...]
    source: Path


def read_job(path: Path, *, overrides: Sequence[str] = ()) -> Job:
    """Read a job file; `overrides` are the "key=value" of `--set`.

    Paths are relative to the job file. Raises UsageError that names the file and the key path.
    """
    values = read_yaml(path)
    try:
        for override in overrides:
            values = with_override(values, override)
        values = without_nulls(values)
        values.pop("$schema", None)
        return _job(JobFile.model_validate(values), path)
    except ValidationError as error:
        raise UsageError(f"{path}: {describe(error, JobFile)}") from None
    except (UsageError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from None


def _job(file: JobFile, source: Path) -> Job:
    """Turn a file of the right shape into a job. Raises UsageError and ValueError without path."""
    canonical("job type", file.type, ["automl"])
    task = Task(canonical("task", file.task, [task.value for task in Task]))
    metrics = PRIMARY_METRICS[task]
    metric = canonical("primary_metric", file.primary_metric or metrics[0], metrics)
    folder = source.absolute().parent
    stores = {name: _from(folder, target) for name, target in file.datastores.items()}
    validation = None
    if file.validation_data is not None:
        validation = _table("validation_data", file.validation_data, folder, stores)
    parameters = _parameters(file.training_parameters, task, folder)
    mode = _mode(file)
    if mode == "sweep":
        _check_sweep(file, parameters, task)
    return Job(
        task=task,
        name=file.name,
        display_name=file.display_name,
        description=file.description,
        tags=file.tags,
        experiment_name=file.experiment_name,
        primary_metric=metric,
        training_data=_table("training_data", file.training_data, folder, stores),
        validation_data=validation,
        validation_data_size=file.validation_data_size,
        target_column_name=file.target_column_name,
        limits=file.limits,
        parameters=parameters,
        mode=mode,
        search_space=file.search_space,
        sweep=file.sweep,
        datastores=stores,
        properties=file.properties,
        ignored=file.ignored_keys(),
        source=source.absolute(),
    )


def _mode(file: JobFile) -> Mode:
    if file.search_space:
        return "sweep"
    if file.sweep:
        raise UsageError(
            "sweep needs a search_space, a list of sub-spaces; without both, limits.max_trials > 1 "
            "lets the system choose"
        )
    return "automode" if file.limits.max_trials > 1 else "single"


def _check_sweep(file: JobFile, parameters: Mapping[str, Any], task: Task) -> None:
    sweep, space = parse_sweep(file.sweep), parse_space(file.search_space)
    check_space(space, parameters, task=task)
    if sweep.algorithm == "grid":
        check_grid(space)


def _table(key: str, data: DataInput, folder: Path, stores: Mapping[str, str]) -> Path:
    try:
        return table_path(data.path, base=folder, datastores=stores)
    except UsageError as error:
        raise UsageError(f"{key}.path: {error}") from None


def _parameters(given: Mapping[str, Any], task: Task, folder: Path) -> dict[str, Any]:
    parameters = job_parameters(given, task=task)
    if "weights" in parameters:
        parameters["weights"] = _from(folder, str(parameters["weights"]))
    for name in ("model_name", "model_checkpoint"):
        if name in parameters:
            parameters[name] = _local_checkpoint(folder, str(parameters[name]))
    return parameters


def _local_checkpoint(folder: Path, name: str) -> str:
    """Make the path of a local folder absolute; other names stay."""
    if "/" not in name:
        return name
    for path in (folder / name, Path(name)):
        if path.is_dir():
            return str(path.absolute())
    return name


def _from(folder: Path, text: str) -> str:
    return str(folder / text) if is_path(text) else text
