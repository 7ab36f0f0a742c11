"""One line per request, and the other lines of the process, as JSON or as text."""

import contextvars
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from serving.records import RequestRecord

_QUIET = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})  # asked every few seconds
_BENTOML = "bentoml"
REQUEST_ID: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)

log = logging.getLogger("bentoml.sightline.access")


def configure(log_format: str) -> None:
    """Set up this process's log. BentoML's own lines become JSON too when `log_format` is json."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))  # request() has made the whole line
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(logging.INFO)
    if log_format == "json":
        for name in (None, _BENTOML):
            for other in logging.getLogger(name).handlers:
                other.setFormatter(JsonFormatter())


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object per line, with the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        values: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            values["request_id"] = request_id
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(values).decode()


def request(record: RequestRecord, log_format: str) -> None:
    """Log a request that has ended; probes only where they fail."""
    if record.path in _QUIET and record.status < 400:
        return
    log.info(_json_line(record) if log_format == "json" else _text_line(record))


def _json_line(record: RequestRecord) -> str:
    values = {
        "time": _time(),
        "level": "info",
        "logger": "access",
        "request_id": record.request_id,
        "client": record.client,
        "method": record.method,
        "path": record.path,
        "status": record.status,
        "ms": _ms(record.elapsed_s),
        "images": record.images,
        "batch_sizes": record.batch_sizes,
        "stages_ms": {stage: _ms(seconds) for stage, seconds in record.stages_s.items()},
        "errors": record.errors,
    }
    return orjson.dumps(values).decode()


def _text_line(record: RequestRecord) -> str:
    path = orjson.dumps(record.path).decode()  # quoted: it may hold line breaks
    line = f"{_time()} {record.client} {record.method} {path} {record.status}"
    line += f" {record.elapsed_s * 1000:.1f} ms id={record.request_id}"
    if record.images:
        line += f" images={record.images}"
    return line + "".join(f" error={code}" for code in record.errors)


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)


def _time(seconds: float | None = None) -> str:
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
