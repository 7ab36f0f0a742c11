"""The report of one run: on the screen, and as JSON, CSV, Markdown and a picture in a folder."""

import csv
import gc
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from load_tests.environment import describe_machine
from load_tests.plot import Plot, draw
from load_tests.server_side import info

CONSOLE = Console(soft_wrap=True, highlight=False)
RESULTS = Path("load_tests/results")
_TABLE_WIDTH = 150  # a narrower one loses its figures
Row = Mapping[str, Any]


@dataclass(slots=True)
class Report:
    """Grows while a command runs, so that Ctrl-C loses nothing that was measured.

    rows: one per measurement; findings: what follows from them; checks: what must be true.
    """

    command: str
    folder: Path
    about: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    findings: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    table: list[dict[str, Any]] = field(default_factory=list)
    plot: Plot | None = None
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Whether every check held."""
        return all(self.checks.values())

    def add(self, row: Row) -> None:
        """Keep one measurement and show its main figures."""
        self.rows.append(dict(row))
        CONSOLE.print("  ".join(f"{k} {_text(v)}" for k, v in row.items() if k in _SHOWN))

    def write(self) -> None:
        """Write what there is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {
            **{"command": self.command, "interrupted": self.interrupted, "about": self.about},
            **{"checks": self.checks, "findings": self.findings, "table": self.table},
            "rows": self.rows,
        }
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
        (self.folder / "results.json").write_bytes(orjson.dumps(facts, option=options))
        (self.folder / "results.csv").write_text(to_csv(self.rows), encoding="utf-8")
        (self.folder / "results.md").write_text(self._markdown(), encoding="utf-8")
        if self.plot is not None:
            draw(self.plot, self.folder / "plot.png", title=self.command)

    def show(self) -> None:
        """Print what follows from the rows, which `add` has shown already."""
        if self.table:
            columns = _columns(self.table)
            grid = Table(*columns)
            for row in self.table:
                grid.add_row(*(_text(row.get(column, "")) for column in columns))
            CONSOLE.print(grid, width=max(CONSOLE.width, _TABLE_WIDTH), crop=False)
        for name, value in self.findings.items():
            CONSOLE.print(f"{name}: {_text(value)}")
        for name, held in self.checks.items():
            CONSOLE.print(f"{'ok    ' if held else 'FAILED'} {name}")
        CONSOLE.print(f"report: {self.folder}")

    def _markdown(self) -> str:
        parts = [f"# {self.command}"]
        if self.interrupted:
            parts.append("Stopped with Ctrl-C; this is what was measured before.")
        if self.table:
            parts.append(to_markdown(self.table))
        parts += [f"- {name}: {_text(value)}" for name, value in self.findings.items()]
        parts += [f"- {'ok' if ok else 'FAILED'}: {name}" for name, ok in self.checks.items()]
        parts += ["## Measurements", to_markdown(self.rows), "## Where"]
        parts += [f"- {name}: {_text(value)}" for name, value in self.about.items()]
        return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


@contextmanager
def reporting(command: str, out: Path | None, *, url: str | None = None) -> Iterator[Report]:
    """Write and show the report however the block ends, if anything was measured.

    Exit codes: 1 when a check failed, 130 after Ctrl-C.
    """
    folder = out or RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}-{command}"
    report = Report(command, folder, describe_machine())
    gc.collect()
    gc.freeze()  # looking through what is here would hold requests up, and look like the server
    if url is not None:
        report.about |= {"url": url, "server": info(url)}
    try:
        yield report
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        if report.rows:
            report.write()
            report.show()
    if report.interrupted:
        raise typer.Exit(130)
    if not report.passed:
        raise typer.Exit(1)


def to_csv(rows: Sequence[Row]) -> str:
    """One line per row under the union of their columns."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _text(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def to_markdown(rows: Sequence[Row]) -> str:
    """The same as a table."""
    columns = _columns(rows)
    lines = [columns, ["---"] * len(columns)]
    lines += [[_text(row.get(name, "")) for name in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_SHOWN = frozenset(
    {"phase", "round", "server", "clients", "rate", "requests_per_s", "images_per_s", "p50_ms"}
    | {"p99_ms", "codes", "ready_s", "first_score_s", "method", "seconds", "problem"}
)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, Mapping):
        known = {name: part for name, part in value.items() if part is not None}
        return ", ".join(f"{name} {_text(part)}" for name, part in known.items())
    return str(value)
