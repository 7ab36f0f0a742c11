"""Compare two models on copies of real requests."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.comparer import Comparer
from deploy.console import say
from deploy.errors import UsageError
from deploy.proxy import COMPARER_PORT
from deploy.tally import Tally


def shadow(
    primary: Annotated[str, typer.Option(metavar="URL", help="Server of the model in use.")],
    candidate: Annotated[str, typer.Option(metavar="URL", help="Server of the model to judge.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = (
        COMPARER_PORT
    ),
    output: Annotated[
        Path | None, typer.Option(help="File to append JSON lines to; by default standard output.")
    ] = None,
) -> None:
    """Ask both models every copy that arrives, and write a JSON line about what differs.

    The proxy sends the copies: `render --shadow NAME=PERCENT`. Ctrl-C ends it with a summary.
    """
    for url in (primary, candidate):
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"expected an address such as http://127.0.0.1:3000, got {url!r}")
    tally = Tally()
    with contextlib.ExitStack() as stack:
        try:
            lines = stack.enter_context(output.open("a")) if output else sys.stdout
        except OSError as error:
            raise UsageError(f"cannot write {output}: {error.strerror}") from None

        def write(record: dict[str, Any]) -> None:
            tally.add(record)
            lines.write(json.dumps(record) + "\n")
            lines.flush()

        comparer = Comparer(
            primary=primary.rstrip("/"), candidate=candidate.rstrip("/"), on_record=write
        )
        comparer.serve(host, port, on_start=lambda used: say(f"waiting for copies at port {used}"))
    for line in tally.lines(dropped=comparer.dropped):
        say(line)
