"""What the terminal says about data and runs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from inference.errors import UsageError
from inference.files import read_json
from training.automl.display import clock, trials_table
from training.automl.leaderboard import leaderboard
from training.automl.records import load_records
from training.automl.replay import histories, replay
from training.automl.resolved import is_sweep, primary_metric
from training.automl.sweep_schema import parse_policy
from training.data.conversion import ConversionReport
from training.metrics_file import MetricsFile
from training.runs import Run, Trial

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
    for line in report["warnings"]:
        CONSOLE.print(f"warning: {line}", markup=False, highlight=False)


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
    """One line per run: state, family, epochs, primary metric; of a sweep, those of its best."""
    table = Table("run", "trials", "state", "model", "epochs", "metric", "value")
    for run in runs:
        trials = run.trials()
        row = _run_row(run, trials) if trials else ("0", "unfinished")
        table.add_row(run.name, *row)
    CONSOLE.print(table)


def _run_row(run: Run, trials: Sequence[Trial]) -> tuple[str, ...]:
    best = run.path / "best"
    shown = Trial(best.resolve()) if best.exists() else trials[0]
    stated, status = read_json(shown.path / "params.json"), shown.status()
    metric = stated["primary_metric"]
    value = status.get("metrics", {}).get(metric)
    return (
        str(len(trials)),
        run_state(run, trials),
        stated["parameters"]["model_name"],
        str(len(MetricsFile(shown.metrics).rows())),
        metric,
        "" if value is None else f"{value:.4f}",
    )


def run_state(run: Run, trials: Sequence[Trial]) -> str:
    """The state of a run: of its one trial, or what the controller of its sweep noted last."""
    if not is_sweep(run):
        return str(trials[0].status()["state"])
    last = run.events()[-1]["event"]
    return {"finished": "completed", "stopped": "stopped"}.get(last, "unfinished")


def print_run(run: Run) -> None:
    """Everything about one run that fits on a screen; of a sweep, all trials and the best one."""
    trials = run.trials()
    if is_sweep(run):
        records = load_records(run, metric=primary_metric(run))
        CONSOLE.print(trials_table(leaderboard(records), title=run.name))
        best = run.path / "best"
        trials = [Trial(best.resolve())] if best.exists() else []
    for trial in trials:
        _print_trial(run, trial)


def print_replay(run: Run, options: Mapping[str, Any]) -> None:
    """What an early-termination policy would have saved; options that are None are not given.

    Raises UsageError for options that are no policy, and for a run without reports.
    """
    try:
        given = {name: value for name, value in options.items() if value is not None}
        policy = parse_policy(given, where="replay")
        records = load_records(run, metric=primary_metric(run))
        played = replay(policy, histories(run, records))
    except ValueError as error:
        raise UsageError(f"{run.name}: {error}") from None
    table = Table("trial", "would stop after", title=f"{run.name}, {given['type']}")
    for name, k in played.stopped.items():
        table.add_row(name, f"evaluation {k}")
    CONSOLE.print(table)
    CONSOLE.print(
        f"saved: {played.saved_evaluations} of {played.evaluations} evaluations, "
        f"{clock(played.saved_seconds)} of training; best metric {played.best:.4f}, "
        f"with the policy {played.best_kept:.4f}",
        highlight=False,
    )


def _print_trial(run: Run, trial: Trial) -> None:
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
