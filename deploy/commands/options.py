"""Options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option(help="Folder of the rendered files.")]
DEFAULT_OUTPUT = Path("deployment")
