"""Log lines: short ones for the person at the terminal, dated ones for log.txt."""

import logging
import sys
from pathlib import Path


def log_to(path: Path) -> None:
    """Send the log of training to standard output and, with tracebacks, to the end of `path`."""
    console = logging.StreamHandler(sys.stdout)
    console.setLevel(logging.INFO)
    console.setFormatter(logging.Formatter("%(message)s"))
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("training")
    log.setLevel(logging.DEBUG)
    log.handlers = [console, file]
    log.propagate = False
