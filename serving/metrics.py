"""Prometheus metrics; every label has few values, whatever clients send.

In a worker of BentoML prometheus_client keeps them in files that all workers share, and one answer
of /metrics sums them up.
"""

from typing import Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from serving.records import RequestRecord

EXPOSITION_TYPE = CONTENT_TYPE_LATEST
STAGES = (
    *("receive", "parse", "decode", "preprocess", "queue", "forward", "postprocess"),
    *("serialise", "explain"),
)
_ROUTES = frozenset(
    {"/", "/ui", "/score", "/info", "/metrics", "/docs.json", "/livez", "/readyz", "/healthz"}
)
_SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    *(60, 120),
)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
# Requests turned away before any work was done for them.
_REJECTIONS = frozenset({"overloaded", "unauthorized", "body_timeout", "too_large"})


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self._requests = _counter("requests", "HTTP requests", "route", "status")
        self._request_s = _histogram("request_seconds", "whole requests", _SECONDS, "route")
        self._stage_s = _histogram("stage_seconds", "stages of /score", _SECONDS, "stage")
        self._stages = {stage: self._stage_s.labels(stage) for stage in STAGES}
        self._images = _counter("images", "images that were asked for")
        self._batches = _histogram("batch_size", "images per run, one count per image", _BATCHES)
        self._errors = _counter("errors", "errors by code, of requests and of images", "code")
        self._rejections = _counter("rejections", "requests turned away at the door", "reason")
        self._queued = _gauge("queue_images", "images admitted and not yet answered", "livesum")
        self._oldest = _gauge("queue_oldest_seconds", "age of the oldest of them", "livemax")
        self._explanation_s = _histogram(
            "explanation_seconds", "explanations, their wait included", _SECONDS, "method"
        )
        self._explanations = _counter("explanations", "explanations", "method", "outcome")

    def request(self, record: RequestRecord) -> None:
        """Count a request that has ended."""
        route = record.path if record.path in _ROUTES else "other"
        self._requests.labels(route, record.status).inc()
        self._request_s.labels(route).observe(record.elapsed_s)
        for stage, seconds in record.stages_s.items():
            self._stages[stage].observe(seconds)
        self._images.inc(record.images)
        for size in record.batch_sizes:
            self._batches.observe(size)
        for code in record.errors:
            self._errors.labels(code).inc()
        if record.errors and record.errors[0] in _REJECTIONS and not record.batch_sizes:
            self._rejections.labels(record.errors[0]).inc()

    def queue(self, *, images: int, oldest_s: float) -> None:
        """Show the queue as it is now."""
        self._queued.set(images)
        self._oldest.set(oldest_s)

    def explanation(self, method: str, outcome: str, seconds: float) -> None:
        """Count an explanation; `outcome` is ok, refused, late, failed or cancelled."""
        self._explanations.labels(method, outcome).inc()
        if outcome == "ok":
            self._explanation_s.labels(method).observe(seconds)


def exposition() -> bytes:
    """What all processes of this server have counted, in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"sightline_{name}", text, labels, registry=None)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"sightline_{name}", text, labels, buckets=buckets, registry=None)


def _gauge(name: str, text: str, over_workers: Literal["livesum", "livemax"]) -> Gauge:
    return Gauge(f"sightline_{name}", text, multiprocess_mode=over_workers, registry=None)
