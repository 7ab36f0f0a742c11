"""Show and change how requests are split between the models that were rendered."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.options import DEFAULT_OUTPUT, Output
from deploy.console import say
from deploy.deployment import Deployment, read_deployment
from deploy.errors import UsageError
from deploy.files import write_together
from deploy.targets import KINDS, rendered_split
from deploy.weights import as_words, read_weights

_APPLY_S = 60

Apply = Annotated[bool, typer.Option("--apply", help="Make the proxy or the cluster use it now.")]
app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command("show")
def show(output: Output = DEFAULT_OUTPUT) -> None:
    """Print the weights, and those that `rollback` would bring back."""
    deployment = read_deployment(output)
    typer.echo(as_words(deployment.weights))
    if deployment.previous:
        typer.echo(f"before: {as_words(deployment.previous)}")


@app.command("set")
def set_weights(
    weights: Annotated[list[str], typer.Argument(metavar="NAME=WEIGHT…")],
    output: Output = DEFAULT_OUTPUT,
    apply: Apply = False,
) -> None:
    """Split requests anew, for example `set a=50 b=50`; models that are not named get none."""
    _change(read_deployment(output).shifted(read_weights(weights)), output, apply=apply)


@app.command("rollback")
def rollback(output: Output = DEFAULT_OUTPUT, apply: Apply = False) -> None:
    """Go back to the weights before the last change; a second time undoes that."""
    deployment = read_deployment(output)
    if deployment.previous is None:
        raise UsageError(f"nothing to go back to: {as_words(deployment.weights)} were rendered")
    _change(deployment.shifted(deployment.previous), output, apply=apply)


def _change(deployment: Deployment, folder: Path, *, apply: bool) -> None:
    """Write the new split; when it cannot be applied, the old files come back."""
    new = rendered_split(deployment, folder)
    old = {name: (folder / name).read_text(encoding="utf-8") for name in new}
    write_together(folder, new)
    if apply:
        try:
            for command in KINDS[deployment.target].apply:
                _run(command, folder)
        except BaseException:
            write_together(folder, old)
            raise
    say(as_words(deployment.weights) + ("" if apply else ", not applied yet"))


def _run(command: tuple[str, ...], folder: Path) -> None:
    try:
        ran = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_APPLY_S, check=False
        )
    except OSError as error:
        raise UsageError(f"cannot start {command[0]!r}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"`{' '.join(command)}` did not end in {_APPLY_S} s") from None
    if ran.returncode:
        last = (ran.stderr.strip() or ran.stdout.strip() or "no message").splitlines()[-1]
        raise UsageError(f"`{' '.join(command)}` failed, the old split stays: {last}")
