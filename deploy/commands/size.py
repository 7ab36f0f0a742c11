"""Add up what an image's packages will take."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.sizes import installed_sizes

_SHOWN = 12


def size(
    build_file: Annotated[Path, typer.Argument(help="Of BentoML.")] = Path("bentofile.yaml"),
) -> None:
    """Print the sizes of a build file's packages as they are installed here, in MB."""
    sizes = installed_sizes(build_file)
    here = {name: bytes_ for name, bytes_ in sizes.items() if bytes_ >= 0}
    for name, bytes_ in list(here.items())[:_SHOWN]:
        typer.echo(f"{bytes_ / 1e6:8.0f}  {name}")
    typer.echo(f"{sum(here.values()) / 1e6:8.0f}  all {len(here)} packages")
    if absent := [name for name in sizes if name not in here]:
        typer.echo(f"not installed here: {', '.join(absent)}")
