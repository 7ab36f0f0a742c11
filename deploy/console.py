"""Lines for the person at the terminal; standard output stays free for data."""

from rich.console import Console

_CONSOLE = Console(stderr=True, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """Print a line to standard error."""
    _CONSOLE.print(text, markup=False)
