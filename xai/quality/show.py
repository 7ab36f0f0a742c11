"""What the terminal says about measured explanations."""

from rich.console import Console

from xai.quality.evaluate import Quality
from xai.quality.measures import MEASURES, Measure
from xai.quality.summary import Mean, Row

_ARROWS = {"higher": "↑", "lower": "↓"}
_MISSING = "–"


def table_of(quality: Quality, *, digits: int) -> tuple[list[str], list[list[str]]]:
    """Head and rows of texts: methods, then references; a column per measure that was taken."""
    used = [m for m in MEASURES if any(m.name in row.means for row in quality.rows)]
    head = ["method", *(title(measure) for measure in used)]
    rows = [
        [_name(row), *(_cell(row.means.get(measure.name), digits) for measure in used)]
        for row in quality.rows
    ]
    return head, rows


def title(measure: Measure) -> str:
    """The head of the measure's column, with an arrow to where it is better."""
    return f"{measure.title} {_ARROWS[measure.better]}"


def print_quality(quality: Quality, console: Console) -> None:
    """Print the table, and which images were left out.

    A terminal that is too narrow wraps the lines; no figure is cut off.
    """
    head, rows = table_of(quality, digits=2)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    _say(console, f"mean ± standard error over {quality.images} images")
    for name, *cells in (head, *rows):
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        _say(console, " ".join([name.ljust(widths[0]), *aligned]))
    for line in quality.left_out:
        _say(console, f"left out: {line}")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _cell(mean: Mean | None, digits: int) -> str:
    """Mean and standard error, or a dash for what does not apply."""
    if mean is None:
        return _MISSING
    error = "" if mean.standard_error is None else f"±{mean.standard_error:.{digits}f}"
    return f"{mean.value:.{digits}f}{error}"


def _name(row: Row) -> str:
    return f"({row.method})" if row.is_reference else row.method
