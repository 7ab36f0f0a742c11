"""What the server says about itself: Server-Timing, /metrics and /info, where it has them."""

import re
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from statistics import median
from typing import Any

import orjson

from load_tests.outcomes import Outcome

_STAGE = re.compile(r"([\w.-]+)\s*;[^,]*?dur=([\d.]+)")
_BUCKET = re.compile(r'^(\w*batch_size\w*)_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)', re.MULTILINE)


def stages_ms(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """The median of each stage of the good answers' Server-Timing, in milliseconds."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.ok:
            for stage, duration in _STAGE.findall(outcome.server_timing):
                times[stage].append(float(duration))
    return {stage: round(median(values), 3) for stage, values in times.items()}


def batch_buckets(base_url: str) -> dict[str, float]:
    """Cumulative counts of a Prometheus histogram of batch sizes by upper bound, or nothing."""
    with suppress(OSError, ValueError):
        text = _get(base_url + "/metrics").decode()
        counts: defaultdict[str, float] = defaultdict(float)
        for _, bound, value in _BUCKET.findall(text):
            counts[bound] += float(value)
        return dict(counts)
    return {}


def batch_histogram(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, int]:
    """How many batches fell into each bucket between two readings."""
    histogram, below = {}, 0.0
    for bound in sorted(after, key=float):
        count = after[bound] - before.get(bound, 0.0)
        if count - below > 0:
            histogram[f"<={bound}"] = round(count - below)
        below = count
    return histogram


def info(base_url: str) -> Any:
    """What /info answers, if it is JSON."""
    with suppress(OSError, ValueError):
        return orjson.loads(_get(base_url + "/info"))
    return None


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as response:
        return bytes(response.read())
