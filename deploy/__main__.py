"""Put models in front of users: `python -m deploy COMMAND --help`; docs/deployment.md."""

import signal
import sys

import typer

from deploy.commands import traffic
from deploy.commands.check import check
from deploy.commands.render import render
from deploy.commands.shadow import shadow
from deploy.commands.size import size
from deploy.console import say
from deploy.errors import UsageError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=__doc__,
)
for command in (render, check, shadow, size):
    app.command()(command)
app.add_typer(traffic.app, name="traffic")


def main() -> None:
    """Run the command; a mistake of the user's is one line and exit code 2."""
    # Whoever stops us with SIGTERM, as a container does, wants what Ctrl-C does: a summary.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except UsageError as error:
        say(f"error: {error}")
        sys.exit(2)


if __name__ == "__main__":
    main()
