"""Encoded images to predictions: decode pool, preprocessing, micro-batcher, model, finishing."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from inference.batching import Done, MicroBatcher, Ticket
from inference.engine import Engine, usable_cores
from inference.errors import UsageError
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.pipeline import Result, load_pipeline
from inference.settings import Settings
from inference.types import CLASSIFICATION_TASKS

Source = bytes | Path  # an encoded image, or a file that is read on the decode pool
_CLASSIFIER_BATCH = {"cpu": 8, "cuda": 32}
_DETECTOR_BATCH = {"cpu": 2, "cuda": 8}  # its canvases are ten times larger


@dataclass(frozen=True, slots=True)
class Prediction:
    """The result for one image and the stage times, in seconds, that Server-Timing shows."""

    value: Result
    prepare_s: float
    queue_s: float
    run_s: float
    batch_size: int


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
        self._pipeline = load_pipeline(folder, engine=engine, device=device)
        self.max_batch = max_batch or self._default_batch()
        self.max_queue = max_queue
        if self.max_batch < 1 or max_queue < self.max_batch:
            raise UsageError(
                f"max_batch must be in 1…max_queue ({max_queue}), got {self.max_batch}"
            )
        self._warm_up()
        self._decoders = ThreadPoolExecutor(decode_threads or usable_cores(), "decode")
        self._finishers = ThreadPoolExecutor(usable_cores(), "finish")
        self._batcher: MicroBatcher[Any, Any] = MicroBatcher(
            self._pipeline.run,
            key=self._pipeline.key,
            max_batch=self.max_batch,
            max_queue=max_queue,
        )

    @property
    def engine(self) -> Engine:
        """The engine that runs the model."""
        return self._pipeline.engine

    def submit(
        self, images: Sequence[Source], *, settings: Sequence[Settings] | None = None
    ) -> "list[Future[Prediction]]":
        """Admit all images or none; each future gets its own result or its own error.

        `settings`, one per image, replaces the model folder's. Raises Overloaded when the queue has
        no room for them. Futures fail with an InputError for bytes that are no image, with OSError
        for files that cannot be read; cancelling one drops its image from the queue.
        """
        wanted = settings or [self.folder.settings] * len(images)
        tickets = self._batcher.admit(len(images))
        answers: list[Future[Prediction]] = []
        for ticket, image, setting in zip(tickets, images, wanted, strict=True):
            answer: Future[Prediction] = Future()
            answer.add_done_callback(partial(_pass_cancel_on, ticket))
            self._decoders.submit(self._prepare, ticket, answer, image, setting)
            answers.append(answer)
        return answers

    async def score(self, image: Source) -> Prediction:
        """Score one image; cancelling the call drops it from the queue."""
        (future,) = self.submit([image])
        return await asyncio.wrap_future(future)

    def score_all(self, images: Iterable[Source]) -> list[Result]:
        """Score any number of images in order. Raises the first image's error, if any."""
        return [future.result().value for _, future in self.stream(images)]

    def stream(
        self, images: Iterable[Source], *, settings: Settings | None = None
    ) -> "Iterator[tuple[Source, Future[Prediction]]]":
        """Yield each image with its finished future, in order; `settings` are those of all.

        Reads ahead so far that decoding and model stay busy, and no further: memory is bounded
        however many images there are. Meant for one caller that owns the predictor.
        """
        ahead = min(self.max_queue, 2 * self.max_batch + usable_cores())
        window: deque[tuple[Source, Future[Prediction]]] = deque()
        for image in images:
            (future,) = self.submit([image], settings=[settings or self.folder.settings])
            window.append((image, future))
            if len(window) >= ahead:
                yield _finished(window.popleft())
        while window:
            yield _finished(window.popleft())

    def close(self) -> None:
        """Finish what was admitted and stop the threads."""
        self._batcher.close()
        self._decoders.shutdown()
        self._finishers.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(
        self, ticket: Ticket[Any], answer: "Future[Prediction]", source: Source, settings: Settings
    ) -> None:
        if ticket.future.cancelled():
            return
        try:
            data = source if isinstance(source, bytes) else source.read_bytes()
            items = self._pipeline.prepare(decode_image(data), settings)
        except Exception as error:  # one bad image fails alone, whatever is wrong with it
            self._batcher.fail(ticket, error)
            _fail(answer, error)
            return

        def ended(future: "Future[Done[Any]]") -> None:
            if not future.cancelled():
                self._finishers.submit(self._finish, answer, items, future)

        ticket.future.add_done_callback(ended)
        self._batcher.start(ticket, items)

    def _finish(
        self, answer: "Future[Prediction]", items: Sequence[Any], ended: "Future[Done[Any]]"
    ) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            done = ended.result()
            value = self._pipeline.finish(items, done.values)
        except Exception as error:  # the model's or that of finishing; either is this image's
            answer.set_exception(error)
            return
        answer.set_result(
            Prediction(value, done.prepare_s, done.queue_s, done.run_s, done.batch_size)
        )

    def _default_batch(self) -> int:
        is_classifier = self.folder.facts.task in CLASSIFICATION_TASKS
        return (_CLASSIFIER_BATCH if is_classifier else _DETECTOR_BATCH)[self.engine.device]

    def _warm_up(self) -> None:
        blank = np.zeros((480, 640, 3), np.uint8)
        item = self._pipeline.prepare(blank, self.folder.settings)[0]
        for size in sorted({1, self.max_batch}):
            self._pipeline.run([item] * size)


def _pass_cancel_on(ticket: Ticket[Any], answer: "Future[Prediction]") -> None:
    if answer.cancelled():
        ticket.future.cancel()


def _fail(answer: "Future[Prediction]", error: Exception) -> None:
    if answer.set_running_or_notify_cancel():
        answer.set_exception(error)


def _finished(
    pair: "tuple[Source, Future[Prediction]]",
) -> "tuple[Source, Future[Prediction]]":
    pair[1].exception()  # waits; the error stays in the future
    return pair
