"""What the terminal says about data and runs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from inference.files import read_json
from training.data.conversion import ConversionReport
from training.metrics_file import MetricsFile
from training.runs import Run

CONSOLE = Console(soft_wrap=True)
_SHOWN_DROPS = 5


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal; yields a function of (items done, items in all)."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn())
    hidden = not CONSOLE.is_terminal
    with Progress(*columns, console=CONSOLE, transient=True, disable=hidden) as progress:
        bar = progress.add_task("", total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def print_data_report(report: dict[str, Any]) -> None:
    """Images per class and split, and what was left out and why."""
    splits = ("train", "validation")
    table = Table("label", *splits, title="images per label")
    for label in report["labels"]:
        table.add_row(label, *(str(report[split]["images_per_class"][label]) for split in splits))
    CONSOLE.print(table)
    dropped = [one for split in splits for one in report[split]["dropped"]]
    _print_left_out([f"{one['where']}: {one['reason']}" for one in dropped], "see data.json")


def print_conversion(report: ConversionReport) -> None:
    """What was written, and what was left out and why."""
    counts = [report.images_per_class]
    if report.objects_per_class:
        counts.append(report.objects_per_class)
    table = Table("label", *("images", "objects")[: len(counts)], title=str(report.jsonl))
    for label in report.images_per_class:
        table.add_row(label, *(str(count[label]) for count in counts))
    CONSOLE.print(table)
    CONSOLE.print(f"images in all: {report.images}", highlight=False)
    _print_left_out([f"{one.image or one.where}: {one.reason}" for one in report.skipped])


def _print_left_out(lines: Sequence[str], where_the_rest_is: str = "") -> None:
    for line in lines[:_SHOWN_DROPS]:
        CONSOLE.print(f"left out: {line}", markup=False, highlight=False)
    if len(lines) > _SHOWN_DROPS:
        CONSOLE.print(f"left out: {len(lines) - _SHOWN_DROPS} more {where_the_rest_is}")


def print_runs(runs: Iterable[Run]) -> None:
    """One line per run: state, family, epochs, primary metric."""
    table = Table("run", "state", "model", "epochs", "metric", "value")
    for run in runs:
        for trial in run.trials():
            stated, status = read_json(trial.path / "params.json"), trial.status()
            metric = stated["primary_metric"]
            value = status.get("metrics", {}).get(metric)
            table.add_row(
                run.name,
                status["state"],
                stated["parameters"]["model_name"],
                str(len(MetricsFile(trial.metrics).rows())),
                metric,
                "" if value is None else f"{value:.4f}",
            )
    CONSOLE.print(table)


def print_run(run: Run) -> None:
    """Everything about one run that fits on a screen."""
    for trial in run.trials():
        status = trial.status()
        CONSOLE.print(f"{run.name} trial {trial.path.name}: {status['state']}", markup=False)
        if "error" in status:
            CONSOLE.print(f"error: {status['error']}", markup=False)
        evaluation = trial.path / "evaluation.json"
        if evaluation.exists():
            _print_evaluation(read_json(evaluation))
        if trial.model.exists():
            CONSOLE.print(f"model folder: {trial.model}", markup=False)


def _print_evaluation(results: dict[str, Any]) -> None:
    names = list(next(iter(results["per_label"].values())))
    per_label = Table("label", *(name.replace("_", " ") for name in names), title="validation")
    for label, row in results["per_label"].items():
        per_label.add_row(label, *(_short(row[name]) for name in names))
    CONSOLE.print(per_label)
    for name, value in results["metrics"].items():
        CONSOLE.print(f"{name:36} {value:.4f}", markup=False, highlight=False)


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
