"""Fair timing on a noisy machine: contestants take turns, medians are compared."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

CONSOLE = Console(soft_wrap=True, highlight=False)


def interleaved(
    contestants: Mapping[str, Callable[[], object]], *, rounds: int
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, A B C A B C …, after one call that warms up."""
    for contestant in contestants.values():
        _run(contestant)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            begin = time.perf_counter()
            _run(contestant)
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def _run(contestant: Callable[[], object]) -> None:
    contestant()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()  # the call returns before the GPU is done


def report(title: str, seconds: Mapping[str, list[float]], *, baseline: str) -> None:
    """Print medians, spread, and the ratio of each contestant to the baseline, by rounds."""
    table = Table("what", "median s", "min…max s", f"÷ {baseline}", title=title)
    for name, values in seconds.items():
        ratio = median(a / b for a, b in zip(values, seconds[baseline], strict=True))
        spread = f"{min(values):.3f}…{max(values):.3f}"
        table.add_row(name, f"{median(values):.3f}", spread, f"{ratio:.3f}")
    CONSOLE.print(table)
