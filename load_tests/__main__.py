"""Load tests over HTTP: `python -m load_tests COMMAND --help`; docs/load_tests.md explains them."""

import signal
import sys

import typer
from rich.console import Console

from load_tests.commands.burst import burst
from load_tests.commands.card import card
from load_tests.commands.client_cost import client_cost
from load_tests.commands.coldstart import coldstart
from load_tests.commands.compare import compare, framework
from load_tests.commands.detect import detect
from load_tests.commands.mix import mix
from load_tests.commands.overload import overload
from load_tests.commands.poison import poison
from load_tests.commands.slo import slo
from load_tests.commands.soak import soak
from load_tests.commands.sweep import sweep
from load_tests.errors import UsageError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=__doc__,
)
for command in (
    *(sweep, slo, overload, mix, poison, soak, coldstart, detect, burst),
    *(compare, framework, client_cost, card),
):
    app.command()(command)


def main() -> None:
    """Run the command; a mistake of the user's is one line and exit code 2."""
    # Whoever stops us with SIGTERM wants what Ctrl-C does: no server left behind, a report. A shell
    # that starts us in the background has SIGINT ignored, which would disable both.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        app()
    except UsageError as error:
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(f"error: {error}", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
