"""The engines of a model side by side, as `engine: auto` times them."""

from pathlib import Path

from rich.table import Table

from benchmarks.timing import CONSOLE
from inference.engine_choice import VERDICTS_FILE, choose_engine
from inference.model_folder import open_model_folder


def compare_engines(path: Path, *, device: str) -> None:
    """Print a row per engine: milliseconds of each batch size, difference from float32."""
    (path / VERDICTS_FILE).unlink(missing_ok=True)
    verdict = choose_engine(open_model_folder(path), device=device)
    sizes = sorted({size for one in verdict.candidates for size in one.seconds})
    headings = [f"ms, batch of {size}" for size in sizes]
    table = Table("engine", *headings, "images/s", "difference", title=f"{path.name}, {device}")
    for one in verdict.candidates:
        if one.refused is not None:
            table.add_row(one.engine, one.refused)
            continue
        times = [f"{1000 * one.seconds[size]:.2f}" for size in sizes]
        rate = f"{sizes[-1] / one.seconds[sizes[-1]]:.0f}"
        name = f"{one.engine} ←" if one.engine == verdict.engine else one.engine
        table.add_row(name, *times, rate, f"{one.difference:.0e}")
    CONSOLE.print(table)
