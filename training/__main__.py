"""The command line of training; `python -m training --help` lists the commands."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from inference.errors import SightlineError
from inference.model_folder import open_model_folder
from training.automl.launchers import Launch, open_launcher
from training.automl.resolved import is_sweep
from training.data.convert_commands import convert_app
from training.data.doctor.command import check_data
from training.jobs import prepare, run_trials
from training.runs import RUNS, Run, all_runs, find_model, find_run
from training.show import (
    CONSOLE,
    print_data_report,
    print_replay,
    print_run,
    print_runs,
    progress_bar,
)
from training.tracking import tracked

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
app.add_typer(convert_app, name="convert")
app.command("check-data")(check_data)

Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, replaces a value of the job.")
]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Where runs are kept.")]
LauncherName = Annotated[
    str, typer.Option("--launcher", help="Where trials run: local or ray (docs/scale.md).")
]
Address = Annotated[str | None, typer.Option(help="HOST:PORT of Ray's head node.")]


@app.command()
def run(
    job: Annotated[Path, typer.Argument(help="Job file (YAML).")],
    overrides: Overrides = None,
    runs: RunsFolder = RUNS,
    launcher: LauncherName = "local",
    address: Address = None,
) -> None:
    """Train what a job file asks for."""
    launch = open_launcher(launcher, address=address)
    with progress_bar("checking images") as progress:
        prepared, read, data = prepare(job, overrides=overrides or [], root=runs, progress=progress)
    if read.ignored:
        CONSOLE.print(f"ignored, they matter on Azure only: {', '.join(read.ignored)}")
    print_data_report(data.report())
    CONSOLE.print(f"run {prepared.name}", markup=False, highlight=False)
    _run(prepared, launch)


@app.command()
def resume(
    name: Annotated[str, typer.Argument(help="Run.")],
    runs: RunsFolder = RUNS,
    launcher: LauncherName = "local",
    address: Address = None,
) -> None:
    """Go on with a run that was stopped or killed, from its last checkpoint."""
    _run(find_run(runs, name), open_launcher(launcher, address=address))


@app.command()
def validate(
    job: Annotated[Path, typer.Argument(help="Job file (YAML).")],
    overrides: Overrides = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Check a job file and tell how much it asks for; nothing is trained or written."""
    from training.validate import validate as validate_job

    for line in validate_job(job, overrides=overrides or [], root=runs):
        CONSOLE.print(line, markup=False, highlight=False)


@app.command()
def replay(
    name: Annotated[str, typer.Argument(help="Run of a sweep.")],
    policy: Annotated[
        str, typer.Option(help="bandit, median_stopping or truncation_selection.")
    ] = "bandit",
    slack_factor: float | None = None,
    slack_amount: float | None = None,
    truncation_percentage: int | None = None,
    exclude_finished_jobs: bool | None = None,
    evaluation_interval: int = 1,
    delay_evaluation: int = 0,
    runs: RunsFolder = RUNS,
) -> None:
    """Tell what an early-termination policy would have saved in a sweep that has run."""
    options = {
        "type": policy,
        "slack_factor": slack_factor,
        "slack_amount": slack_amount,
        "truncation_percentage": truncation_percentage,
        "exclude_finished_jobs": exclude_finished_jobs,
        "evaluation_interval": evaluation_interval,
        "delay_evaluation": delay_evaluation,
    }
    print_replay(find_run(runs, name), options)


@app.command(name="list")
def list_runs(runs: RunsFolder = RUNS) -> None:
    """List all runs."""
    print_runs(all_runs(runs))


@app.command()
def show(name: Annotated[str, typer.Argument(help="Run.")], runs: RunsFolder = RUNS) -> None:
    """Show one run: state, trials, metrics, where its model is."""
    print_run(find_run(runs, name))


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="Run, in whatever state.")],
    out: Annotated[Path | None, typer.Option(help="HTML file; by default the run's own.")] = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Write a page of a run: trials, curves, what mattered, mistakes with pictures."""
    from training.report.write import write_report

    CONSOLE.print(f"written {write_report(find_run(runs, name), out)}", markup=False)


@app.command()
def tune_thresholds(
    name: Annotated[str, typer.Argument(help="Run that has a model.")],
    objective: Annotated[str, typer.Option(help="f1, precision@0.9 or recall@0.9.")] = "f1",
    runs: RunsFolder = RUNS,
) -> None:
    """Choose the best model's score threshold on the validation images; writes settings.json."""
    from training.threshold_tuning import tune_thresholds as tune

    for line in tune(find_run(runs, name), objective).lines():
        CONSOLE.print(line, markup=False, highlight=False)


@app.command()
def register(
    source: Annotated[str, typer.Argument(help="Run, or model folder.")],
    name: Annotated[str, typer.Option("--name", help="Name in the model store.")],
    runs: RunsFolder = RUNS,
) -> None:
    """Copy a model into BentoML's model store, from where it is served."""
    from training.register import register as register_model

    tag = register_model(source, name=name, runs=runs)
    CONSOLE.print(f"registered {tag}", markup=False, highlight=False)
    CONSOLE.print(f"serve it: bentoml serve service:Scorer --arg model={tag}", highlight=False)


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="Run, or model folder.")],
    output: Annotated[Path, typer.Argument(help="ONNX file to write.")],
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch, fixed.")] = 1,
    runs: RunsFolder = RUNS,
) -> None:
    """Write a detector's graph in Azure's form: a fixed batch, thresholds and NMS inside."""
    from training.azure_onnx import export_for_azure

    folder = open_model_folder(find_model(runs, source))
    export_for_azure(folder, output, batch_size=batch_size)
    CONSOLE.print(f"written {output}, and labels.json beside it", markup=False, highlight=False)


def _run(run: Run, launch: Launch) -> None:
    with run.locked(), tracked(run):
        _work_on(run, launch)


def _work_on(run: Run, launch: Launch) -> None:
    code = run_trials(run, launch(run))
    if code == 130:
        CONSOLE.print(f"stopped; go on with: python -m training resume {run.name}", markup=False)
    if code == 1 and is_sweep(run):
        print_run(run)
        CONSOLE.print("no trial has completed; why stands in the table's trials", markup=False)
    if code != 0:
        raise typer.Exit(code)
    print_run(run)
    _report(run)
    CONSOLE.print(f"next: python -m training register {run.name} --name NAME", markup=False)


def _report(run: Run) -> None:
    """Write the report of a job that is done; without one it is done all the same."""
    try:
        from training.report.write import write_report

        CONSOLE.print(f"report: {write_report(run)}", markup=False, highlight=False)
    except (Exception, KeyboardInterrupt) as error:  # the model is there, whatever happens here
        line = " ".join(f"{type(error).__name__}: {error}".split())
        CONSOLE.print(
            f"warning: no report ({line}); again with: python -m training report {run.name}",
            markup=False,
            highlight=False,
        )


def main() -> None:
    """Run a command; a mistake of the user's is one line and exit code 2."""
    try:
        app()
    except SightlineError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:  # the reader of `… | head` has gone
        sys.exit(0)


if __name__ == "__main__":
    main()
