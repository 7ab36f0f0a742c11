"""What takes less time on this machine, found out by trying."""

import math
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

_ROUNDS = 5
_ROUNDS_S = 3.0  # for each runner; no further rounds after that
Name = TypeVar("Name")


def race(runs: Mapping[Name, Callable[[], object]], *, rounds: int = _ROUNDS) -> dict[Name, float]:
    """Shortest seconds of each, in turns: whatever disturbs makes runs longer."""
    best = dict.fromkeys(runs, math.inf)
    for run in runs.values():
        run()  # the first run is no measure
    begin = time.perf_counter()
    for _ in range(rounds):
        for name, run in runs.items():
            best[name] = min(best[name], _seconds(run))
        if time.perf_counter() - begin > _ROUNDS_S * len(runs):
            break
    return best


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
