"""Encoded images to class scores: decode pool, preprocessing, micro-batcher, model."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.batching import Done, MicroBatcher, Ticket
from inference.engine import Engine, load_engine, usable_cores
from inference.errors import UsageError
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.preprocess import resize_and_crop
from inference.types import ClassScores, probabilities

Prediction = Done[ClassScores]  # with the stage times that Server-Timing shows
Source = bytes | Path  # an encoded image, or a file that is read on the decode pool
_DEFAULT_BATCH = {"cpu": 8, "cuda": 32}


class Predictor:
    """A loaded and warmed-up model. Safe to call from any thread and from asyncio.

    Images are decoded and resized on `decode_threads` threads while one thread runs the model.
    """

    def __init__(
        self,
        folder: ModelFolder,
        *,
        engine: str = "torch",
        device: str = "auto",
        max_batch: int | None = None,
        max_queue: int = 256,
        decode_threads: int | None = None,
    ) -> None:
        """Load the model and run it once at each end of the batch sizes.

        Raises UsageError and ModelFolderError as `load_engine` does.
        """
        self.folder = folder
        self.engine: Engine = load_engine(folder, name=engine, device=device)
        self.max_batch = max_batch or _DEFAULT_BATCH[self.engine.device]
        self.max_queue = max_queue
        if self.max_batch < 1 or max_queue < self.max_batch:
            raise UsageError(
                f"max_batch must be in 1…max_queue ({max_queue}), got {self.max_batch}"
            )
        self._warm_up()
        self._decoders = ThreadPoolExecutor(decode_threads or usable_cores(), "decode")
        self._batcher: MicroBatcher[NDArray[np.uint8], ClassScores] = MicroBatcher(
            self._score_batch, key=np.shape, max_batch=self.max_batch, max_queue=max_queue
        )

    def submit(self, images: Sequence[Source]) -> "list[Future[Prediction]]":
        """Admit all images or none; each future gets its own scores or its own error.

        Raises Overloaded when the queue has no room for them. Futures fail with an InputError for
        bytes that are no image, with OSError for files that cannot be read.
        """
        tickets = self._batcher.admit(len(images))
        for ticket, image in zip(tickets, images, strict=True):
            self._decoders.submit(self._prepare, ticket, image)
        return [ticket.future for ticket in tickets]

    async def score(self, image: Source) -> Prediction:
        """Score one image; cancelling the call drops it from the queue."""
        (future,) = self.submit([image])
        return await asyncio.wrap_future(future)

    def score_all(self, images: Iterable[Source]) -> list[ClassScores]:
        """Score any number of images in order. Raises the first image's error, if any."""
        return [future.result().value for _, future in self.stream(images)]

    def stream(self, images: Iterable[Source]) -> "Iterator[tuple[Source, Future[Prediction]]]":
        """Yield each image with its finished future, in order.

        Reads ahead so far that decoding and model stay busy, and no further: memory is bounded
        however many images there are. Meant for one caller that owns the predictor.
        """
        ahead = min(self.max_queue, 2 * self.max_batch + usable_cores())
        window: deque[tuple[Source, Future[Prediction]]] = deque()
        for image in images:
            window.append((image, self.submit([image])[0]))
            if len(window) >= ahead:
                yield _finished(window.popleft())
        while window:
            yield _finished(window.popleft())

    def close(self) -> None:
        """Finish what was admitted and stop the threads."""
        self._batcher.close()
        self._decoders.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(self, ticket: Ticket[ClassScores], source: Source) -> None:
        if ticket.future.cancelled():
            return
        settings = self.folder.settings
        try:
            data = source if isinstance(source, bytes) else source.read_bytes()
            crop = resize_and_crop(
                decode_image(data),
                resize_size=settings.valid_resize_size,
                crop_size=settings.valid_crop_size,
            )
        except Exception as error:  # one bad image fails alone, whatever is wrong with it
            self._batcher.fail(ticket, error)
        else:
            self._batcher.start(ticket, crop)

    def _score_batch(self, crops: list[NDArray[np.uint8]]) -> list[ClassScores]:
        facts = self.folder.facts
        probs = probabilities(self.engine(np.stack(crops)), facts.task)
        return [ClassScores(row, facts.labels) for row in probs]

    def _warm_up(self) -> None:
        side = self.folder.settings.valid_crop_size
        for size in sorted({1, self.max_batch}):
            self.engine(np.zeros((size, side, side, 3), np.uint8))


def _finished(
    pair: "tuple[Source, Future[Prediction]]",
) -> "tuple[Source, Future[Prediction]]":
    pair[1].exception()  # waits; the error stays in the future
    return pair
