"""The limit: decode threads and a batched model in one process, without HTTP.

`python -m load_tests.baselines.in_process FOLDER` prints images per second as JSON. The
next batches are decoded while the model runs.
"""

import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import orjson
import typer

from load_tests.baselines.model import CORES, MAX_BATCH, Classifier
from load_tests.payloads import make_photos, photos_from

_WARM_UP_BATCHES = 3
_AHEAD = 2 * MAX_BATCH


def main(
    model: Path,
    images: Path | None = None,
    side: int | None = None,
    duration: float = 8.0,
) -> None:
    """Score in batches for `duration` seconds."""
    classifier = Classifier(model, threads=CORES, decoder="simplejpeg")
    photos = photos_from(images) if side is None else make_photos(size_wh=(side, side))
    files = cycle([photo.data for photo in photos])
    with ThreadPoolExecutor(CORES) as pool:
        crops = deque(pool.submit(classifier.crop_bytes, next(files)) for _ in range(_AHEAD))

        def run_batch() -> None:
            batch = [crops.popleft() for _ in range(MAX_BATCH)]
            crops.extend(pool.submit(classifier.crop_bytes, next(files)) for _ in batch)
            classifier.probabilities([future.result() for future in batch])

        for _ in range(_WARM_UP_BATCHES):
            run_batch()
        begin, batches = time.perf_counter(), 0
        while time.perf_counter() - begin < duration:
            run_batch()
            batches += 1
        rate = batches * MAX_BATCH / (time.perf_counter() - begin)
    sys.stdout.buffer.write(orjson.dumps({"images_per_s": rate}))


if __name__ == "__main__":
    typer.run(main)
