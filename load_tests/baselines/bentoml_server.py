"""BentoML with a batchable API: `bentoml serve load_tests.baselines.bentoml_server:Service`.

max_latency_ms is the age at which a waiting request is answered with 503, not a window: with 1000
most requests of 8 clients on a busy machine got it. A minute lets none expire. The API takes a
list, so a request's image stands in a list of one; a second service that wraps it, as the
documentation shows for single inputs, would add a hop over a socket.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bentoml

from load_tests.baselines.model import CORES, MAX_BATCH, WORKERS, Classifier

MAX_AGE_MS = 60_000


@bentoml.service(workers=WORKERS, traffic={"timeout": 120})
class Service:
    """Decodes a batch on a thread pool, then runs it."""

    def __init__(self) -> None:
        self.classifier = Classifier.from_environment()
        self.pool = ThreadPoolExecutor(CORES)

    @bentoml.api(
        batchable=True,
        max_batch_size=MAX_BATCH,
        max_latency_ms=MAX_AGE_MS,
        route="/score",
    )
    def score(self, image_base64: list[str]) -> list[dict[str, Any]]:
        """A list with one element per image: a request brings one, the batcher joins them."""
        crops = list(self.pool.map(self.classifier.crop, image_base64))
        return [self.classifier.body(row) for row in self.classifier.probabilities(crops)]
