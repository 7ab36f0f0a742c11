"""LitServe with batching: `python -m … PORT`.

A window of 5 ms: with 0 its loop polls without a pause beside the model, and a longer one delays a
lone client, while under load a full batch waits already. The fast queue (ZeroMQ) is what its
documentation advises for throughput. Images are decoded in `batch`, on threads, and not in
`decode_request`, which runs for one after the other.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import litserve as ls
import numpy as np
from numpy.typing import NDArray

from load_tests.baselines.model import CORES, DEVICE, MAX_BATCH, WORKERS, Classifier

WINDOW_S = 0.005


class ClassifierAPI(ls.LitAPI):
    """Decodes a batch on a thread pool, then runs it."""

    def setup(self, device: str) -> None:
        """Load the model, once per worker."""
        self.classifier = Classifier.from_environment()
        self.pool = ThreadPoolExecutor(CORES)

    def decode_request(self, request: dict[str, str]) -> str:
        """Decoding waits for `batch`, which has all images of the batch at once."""
        return request["image_base64"]

    def batch(self, inputs: Sequence[str]) -> list[NDArray[np.uint8]]:
        """Images to crops."""
        return list(self.pool.map(self.classifier.crop, inputs))

    def predict(self, x: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Crops to probabilities."""
        return self.classifier.probabilities(x)

    def unbatch(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """One row per request."""
        return list(output)

    def encode_response(self, output: NDArray[np.float32]) -> list[dict[str, Any]]:
        """One image's answer."""
        return [self.classifier.body(output)]


if __name__ == "__main__":
    api = ClassifierAPI(max_batch_size=MAX_BATCH, batch_timeout=WINDOW_S, api_path="/score")
    server = ls.LitServer(
        api,
        accelerator=DEVICE,
        workers_per_device=WORKERS,
        timeout=False,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
