"""Options that commands share, and how their values are read."""

from pathlib import Path
from typing import Annotated

import typer

from load_tests.errors import UsageError

Url = Annotated[str, typer.Option(help="Address of the running server: http://127.0.0.1:3000.")]
Images = Annotated[
    Path | None, typer.Option(help="Folder of images; without it photos of 160 KB are made.")
]
Out = Annotated[
    Path | None, typer.Option(help="Folder of the report; load_tests/results/<time>-<command>.")
]
Duration = Annotated[float, typer.Option(min=0.1, help="Seconds per measurement.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often the contestants take turns.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds until a request counts as lost.")]
Port = Annotated[int, typer.Option(help="Of the servers it starts; 0 takes free ones.")]
Seed = Annotated[int, typer.Option(help="Of the arrival times.")]


def numbers(text: str) -> list[int]:
    """Read "1,8,32". A mistake is one line and exit code 2."""
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or min(values) < 1:
        raise UsageError(f"expected positive numbers such as 1,8,32, got {text!r}")
    return values
