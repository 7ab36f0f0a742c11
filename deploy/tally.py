"""What a comparison has shown so far."""

import statistics
from typing import Any


class Tally:
    """Counts over the records of the comparer; grows by two numbers per request."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = [0, 0]  # requests that a model did not answer with 200: primary, candidate
        self.images = 0
        self.agreed = 0
        self.max_difference = 0.0
        self._ms: tuple[list[float], list[float]] = ([], [])

    def add(self, record: dict[str, Any]) -> None:
        """Count a record."""
        self.requests += 1
        for side, status in enumerate(record["status"]):
            self.failed[side] += status != 200
            self._ms[side].append(record["ms"][side])
        self.images += len(record["images"])
        for image in record["images"]:
            self.agreed += image["agree"]
            self.max_difference = max(self.max_difference, image.get("max_difference", 0.0))

    def lines(self, *, dropped: int) -> list[str]:
        """Return the summary for a person."""
        said = [f"{self.requests} requests compared, {dropped} dropped because too many waited"]
        if not self.requests:
            return said
        share = f"{self.agreed / self.images:.1%}" if self.images else "none"
        said.append(
            f"images: {self.images}, same top label or boxes: {share}, "
            f"largest difference of a score: {self.max_difference:.4g}"
        )
        for name, failed, ms in zip(("primary", "candidate"), self.failed, self._ms, strict=True):
            said.append(
                f"{name}: {failed} requests failed, "
                f"p50 {statistics.median(ms):.1f} ms, p99 {_p99(ms):.1f} ms"
            )
        return said


def _p99(ms: list[float]) -> float:
    return sorted(ms)[round(0.99 * (len(ms) - 1))]
