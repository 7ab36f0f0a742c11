"""The picture of a report: lines over a shared axis, one panel per quantity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plot:
    """panels: per y axis title, per line its points (x, y); `log_x` for clients in powers of 2."""

    x_title: str
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]
    log_x: bool = False


def draw(plot: Plot, path: Path, *, title: str) -> None:
    """Write a PNG."""
    from matplotlib.figure import Figure  # takes half a second; only a report pays for it

    figure = Figure(figsize=(5.5 * len(plot.panels), 4), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(1, len(plot.panels), squeeze=False)
    for axes, (y_title, lines) in zip(grid[0], plot.panels.items(), strict=True):
        for name, points in lines.items():
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
        if plot.log_x:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=plot.x_title, ylabel=y_title)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)
