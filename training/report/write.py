"""A run's report as a file."""

from pathlib import Path

from inference.errors import UsageError
from inference.files import write_text_atomically
from training.report.evidence import read_evidence
from training.report.page import page_html
from training.runs import Run


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write the page of a run, by default its own report.html; return where.

    Raises UsageError where it cannot be written.
    """
    path = path or run.path / "report.html"
    text = page_html(read_evidence(run))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose --out FILE") from None
    return path
