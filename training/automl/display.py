"""What the terminal shows of a sweep: a live table, or one line per event where it is a file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from training.automl.controller import Plan, Watcher
from training.automl.leaderboard import leaderboard
from training.automl.records import TrialRecord
from training.runs import Run

CONSOLE = Console(soft_wrap=True)
_ROWS = 20  # of the live table


class _Lines:
    """Prints what happens."""

    def event(self, text: str) -> None:
        CONSOLE.print(text, markup=False, highlight=False)

    def update(self, records: Sequence[TrialRecord], seconds: float) -> None:
        pass


class _LiveTable:
    """Keeps a table of the trials up to date; what happens scrolls past above it."""

    def __init__(self, live: Live, run: Run, plan: Plan) -> None:
        self._live = live
        self._run = run
        self._plan = plan

    def event(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)

    def update(self, records: Sequence[TrialRecord], seconds: float) -> None:
        done = sum(record.outcome is not None for record in records)
        title = (
            f"{self._run.name}: {done} of at most {self._plan.max_trials} trials done, "
            f"{clock(seconds)} of {clock(self._plan.seconds)}"
        )
        rows = leaderboard(records)
        running = [row for row in rows if row["state"] == "running"]
        others = [row for row in rows if row["state"] != "running"]
        table = trials_table([*running, *others][:_ROWS])
        self._live.update(Group(Text(title), table))  # a table's own title wraps at its width


@contextmanager
def watcher(run: Run, plan: Plan) -> Iterator[Watcher]:
    """Choose how to show a sweep on this terminal."""
    if not CONSOLE.is_terminal:
        yield _Lines()
        return
    with Live(console=CONSOLE, refresh_per_second=4, transient=True) as live:
        yield _LiveTable(live, run, plan)


def trials_table(rows: Sequence[Mapping[str, Any]], *, title: str | None = None) -> Table:
    """Rows of a leaderboard as a table."""
    metric = rows[0]["metric"] if rows else "metric"
    table = Table("trial", "state", metric, "evaluations", "values", title=title)
    for row in rows:
        value = "" if row["value"] is None else f"{row['value']:.4f}"
        table.add_row(
            row["trial"], row["state"], value, str(row["evaluations"]), _values(row["values"])
        )
    return table


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def clock(seconds: float) -> str:
    """Seconds below a minute, minutes below an hour, then both: "1 h 05 min"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
