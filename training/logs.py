"""Log lines: short ones for the person at the terminal, dated ones for log.txt."""

import logging
import sys
from pathlib import Path


class _Printing(logging.Handler):
    """Writes to the standard output of the moment, which a progress bar replaces by its own."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(f"{self.format(record)}\n")
        sys.stdout.flush()


def log_to(path: Path) -> None:
    """Send the log of training to standard output, errors to standard error, all to `path`."""
    console = _Printing()
    console.setLevel(logging.INFO)
    console.addFilter(lambda record: record.levelno < logging.ERROR)
    errors = logging.StreamHandler(sys.stderr)
    errors.setLevel(logging.ERROR)
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("training")
    log.setLevel(logging.DEBUG)
    for handler in log.handlers:
        handler.close()
    log.handlers = [console, errors, file]
    log.propagate = False
    library = logging.getLogger("inference")  # which warns of models from hubs
    library.handlers, library.propagate = log.handlers, False
