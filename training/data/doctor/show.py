"""What the terminal says about a data set, worst first."""

import os
from pathlib import Path

from rich.console import Console

from training.data.doctor.findings import Diagnosis, Finding, Severity, counted
from training.data.doctor.fix import Fixed
from training.data.doctor.sizes import ObjectSizes, percentiles

CONSOLE = Console(soft_wrap=True, highlight=False)
_EXAMPLES = 5
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Every finding with up to five examples, and the sizes of objects."""
    sizes = [f"{name} {len(split.records)}" for name, split in diagnosis.splits.items()]
    CONSOLE.print(f"{diagnosis.task.value}: images for {', '.join(sizes)}", markup=False)
    for finding in diagnosis.findings:
        _print_finding(finding)
    if diagnosis.sizes is not None:
        _print_sizes(diagnosis.sizes)
    CONSOLE.print(summary_of(diagnosis), markup=False)


def summary_of(diagnosis: Diagnosis) -> str:
    """ "1 error, 2 warnings, 0 notes"."""
    severities = [finding.severity for finding in diagnosis.findings]
    return ", ".join(counted(severities.count(each), each.value) for each in Severity)


def print_fixed(fixed: list[Fixed]) -> None:
    """What was written, and what was left out of it."""
    for one in fixed:
        left_out = [f"{what}: {count}" for what, count in one.left_out.items() if count]
        CONSOLE.print(
            f"written {one.path}: {counted(one.images, 'image')}; "
            f"left out: {', '.join(left_out) or 'nothing'}",
            markup=False,
        )


def short_place(where: str) -> str:
    """A place relative to the working folder where that is shorter."""
    relative = os.path.relpath(where) if where and Path(where).is_absolute() else where
    return min(relative, where, key=len)


def _print_finding(finding: Finding) -> None:
    CONSOLE.print(f"{finding.severity.value}: ", style=_STYLES[finding.severity], end="")
    CONSOLE.print(finding.title, style="bold", markup=False)
    for example in finding.examples[:_EXAMPLES]:
        place = f"{short_place(example.where)}: " if example.where else ""
        CONSOLE.print(f"    {place}{example.text}", markup=False)
    if (more := len(finding.examples) - _EXAMPLES) > 0:
        CONSOLE.print(f"    and {more} more")
    CONSOLE.print(f"  → {finding.advice}", markup=False)


def _print_sizes(sizes: ObjectSizes) -> None:
    rows = {
        "pixels": sizes.sides_px,
        "share of the image's side": sizes.sides_ratio,
        f"pixels on {sizes.canvas.model_name}'s canvas": sizes.sides_canvas_px,
    }
    CONSOLE.print(f"sides of {counted(len(sizes.sides_px), 'object')} (√area):")
    for name, values in rows.items():
        shown = ", ".join(f"{key} {value:.3g}" for key, value in percentiles(values).items())
        CONSOLE.print(f"    {name}: {shown}", markup=False)
