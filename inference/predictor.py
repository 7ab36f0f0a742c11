"""Encoded images to predictions: decode pool, preprocessing, micro-batcher, model, finishing."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from inference.batching import ByteBudget, Load, MicroBatcher, Priority, Ticket
from inference.engine import AUTO, Engine, resolve_device, usable_cores
from inference.errors import Overloaded, UsageError
from inference.files import Readable
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.pipeline import Result, load_pipeline
from inference.settings import Settings
from inference.types import CLASSIFICATION_TASKS
from inference.warm_up import warm_up

if TYPE_CHECKING:
    from inference.engine_choice import Verdict

__all__ = ["Load", "Prediction", "Predictor", "Priority", "Source"]

Source = bytes | Readable  # an encoded image, or where one is
_CLASSIFIER_BATCH = {"cpu": 8, "cuda": 32}
_DETECTOR_BATCH = {"cpu": 2, "cuda": 8}  # its canvases are ten times larger
_ENCODED_BYTES = 2**29  # of all images admitted; with the pixels a GiB
_PIXEL_BYTES = 2**29  # of decoded images and of the canvases made from them
_PHOTO_BYTES = 3 * 12_000_000  # every decode thread has room for one of these


@dataclass(frozen=True, slots=True)
class Prediction:
    """The result for one image, and where its time went.

    stages_s: seconds by stage: decode (reading the file included), preprocess, queue (all waiting:
    for a decode thread, for memory, for the model), forward, postprocess. Their sum is the time
    from admission to result. batch_size: of the largest batch that it was in.
    """

    value: Result
    stages_s: dict[str, float]
    batch_size: int


@dataclass(slots=True)
class _Image:
    """What is to be scored; the decode pool notes what that took."""

    source: Source
    settings: Settings
    decode_s: float = 0.0
    preprocess_s: float = 0.0


class Predictor:
    """A loaded and warmed-up model. Safe to call from any thread and from asyncio.

    Images are decoded and resized on `decode_threads` threads, by default one per usable core,
    while one thread runs the model in batches, or one per lane runs single images; the most
    urgent image goes first in both. Memory is bounded: the encoded images admitted take
    at most 512 MiB, pixels and canvases in use about as much; a larger image passes alone.

    Only an image that waits is dropped at its deadline; one that fails, fails alone. When the
    device is lost all futures and later calls fail with DeviceLost, and `on_device_lost` is called.
    """

    def __init__(
        self,
        folder: ModelFolder,
        *,
        engine: str = "torch",
        device: str = "auto",
        max_batch: int | None = None,
        max_queue: int = 256,
        max_wait_s: float = math.inf,
        decode_threads: int | None = None,
        on_device_lost: Callable[[], None] | None = None,
    ) -> None:
        """Load the model and time it with every batch size.

        Raises UsageError and ModelFolderError as `load_engine` does.
        """
        self.folder = folder
        self._is_classifier = folder.facts.task in CLASSIFICATION_TASKS
        self.choice: Verdict | None = None  # why "auto" took the engine that it took
        device = resolve_device(device)
        if engine == AUTO:
            from inference.engine_choice import load_fastest  # needs torch, which others may not

            self.choice, self._pipeline = load_fastest(folder, device=device)
        else:
            self._pipeline = load_pipeline(folder, engine=engine, device=device)
        self.max_batch = max_batch or self._default_batch()
        self.max_queue = max_queue
        if self.max_batch < 1 or max_queue < self.max_batch:
            raise UsageError(
                f"max_batch must be in 1…max_queue ({max_queue}), got {self.max_batch}"
            )
        self._threads = decode_threads or usable_cores()
        self._decoders = ThreadPoolExecutor(self._threads, "decode")
        self._finishers = ThreadPoolExecutor(usable_cores(), "finish")
        self._pixel_bytes = ByteBudget(max(_PIXEL_BYTES, self._threads * _PHOTO_BYTES))
        lanes = min(self._pipeline.engine.lanes, self.max_batch)
        batch = self.max_batch if lanes == 1 else 1
        warm = warm_up(self._pipeline, folder.settings, max_batch=batch)
        self._batcher: MicroBatcher[Any, Any] = MicroBatcher(
            self._pipeline.run,
            key=self._pipeline.key,
            weight=_pixels,
            max_weight=2 * self.max_batch * _pixels(warm.key),
            costs=warm.costs,
            lanes=lanes,
            max_queue=max_queue,
            max_wait_s=max_wait_s,
            max_bytes=_ENCODED_BYTES,
            seconds_per_image=warm.costs.seconds_per_item(warm.key, at_most=self.max_batch),
            on_run=self._finish if self._is_classifier else self._finish_soon,
            on_device_lost=on_device_lost or (lambda: None),
        )

    @property
    def engine(self) -> Engine:
        """The engine that runs the model."""
        return self._pipeline.engine

    def load(self) -> Load:
        """Images admitted and not yet done, and the age of the oldest one in seconds."""
        return self._batcher.load()

    def check_room(self) -> None:
        """Raise what `submit` would raise for one image more, before that image is there."""
        self._batcher.check_room()

    def submit(
        self,
        images: Sequence[Source],
        *,
        settings: Sequence[Settings] | None = None,
        deadline_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> "list[Future[Prediction]]":
        """Admit all images or none; each future gets its own result or its own error.

        `settings`, one per image, replaces the model folder's; `deadline_s` is in seconds from now.
        Raises Overloaded when there is no room for them, when they would wait for longer than
        `max_wait_s` (and for more than 32 images), or not enough time. Futures fail with an
        InputError for bytes that are no image, with OSError for files that cannot be read, with
        DeadlineExceeded when it comes before the model; cancelling one drops its image.
        """
        wanted = settings or [self.folder.settings] * len(images)
        tickets = self._batcher.admit(
            [_Image(source, one) for source, one in zip(images, wanted, strict=True)],
            sizes_bytes=[len(one) if isinstance(one, bytes) else 0 for one in images],
            deadline_s=deadline_s,
            priority=priority,
        )
        for _ in tickets:
            self._decoders.submit(self._prepare_next)
        return [ticket.future for ticket in tickets]

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
        ahead = min(self.max_queue, 2 * self.max_batch + 2 * self._threads)
        window: deque[tuple[Source, Future[Prediction]]] = deque()
        for image in images:
            while (future := self._submitted(image, settings, may_fail=not window)) is None:
                yield _finished(window.popleft())
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

    def _submitted(
        self, image: Source, settings: Settings | None, *, may_fail: bool
    ) -> "Future[Prediction] | None":
        """Admit an image of a folder; None when there is no room, unless that may fail."""
        wanted = settings or self.folder.settings
        try:
            return self.submit([image], settings=[wanted], priority=Priority.FOLDER)[0]
        except Overloaded:
            if may_fail:
                raise
            return None

    def _prepare_next(self) -> None:
        """Prepare the most urgent image, which need not be the one that this call is for."""
        ticket = self._batcher.next_to_prepare()
        if ticket is None or (image := ticket.payload) is None:  # all have ended in the meantime
            return
        try:
            self._batcher.start(ticket, self._prepare(image, ticket.future))
        except Exception as error:  # one bad image fails alone, whatever is wrong with it
            self._batcher.fail(ticket, error)

    def _prepare(self, image: _Image, future: "Future[Prediction]") -> Sequence[Any]:
        """Make an image's items; their memory is in use until the future is done."""
        reserved = 0

        def reserve(count: int) -> None:
            nonlocal reserved
            self._pixel_bytes.acquire(count)
            reserved = count

        begin = time.perf_counter()
        try:
            source = image.source
            data = source if isinstance(source, bytes) else source.read_bytes()
            pixels_rgb = decode_image(data, reserve=reserve)
            decoded = time.perf_counter()
            items = self._pipeline.prepare(pixels_rgb, image.settings)
            kept = sum(3 * _pixels(self._pipeline.key(item)) for item in items)
            self._pixel_bytes.add(kept)
        finally:
            self._pixel_bytes.release(reserved)
        future.add_done_callback(lambda _: self._pixel_bytes.release(kept))
        image.decode_s = decoded - begin
        image.preprocess_s = time.perf_counter() - decoded
        return items

    def _finish_soon(self, tickets: "list[Ticket[Any, Any]]") -> None:
        """Hand over what the model is done with: it must not wait for the masks of detectors."""
        shares = min(len(tickets), usable_cores())
        for i in range(shares):
            self._finishers.submit(self._finish, tickets[i::shares])

    def _finish(self, tickets: "list[Ticket[Any, Any]]") -> None:
        for ticket in tickets:
            image, items, parts = ticket.payload, ticket.items, ticket.parts
            if image is None:  # it has ended in the meantime
                continue
            begin = time.perf_counter()
            try:
                value = self._pipeline.finish(items, parts)
            except Exception as error:  # this image's own
                self._batcher.fail(ticket, error)
                continue
            end = time.perf_counter()
            stages_s = {
                "decode": image.decode_s,
                "preprocess": image.preprocess_s,
                "queue": 0.0,
                "forward": ticket.forward_s,
                "postprocess": end - begin,
            }
            stages_s["queue"] = max(0.0, end - ticket.admitted_at - sum(stages_s.values()))
            self._batcher.succeed(ticket, Prediction(value, stages_s, ticket.batch_size))

    def _default_batch(self) -> int:
        return (_CLASSIFIER_BATCH if self._is_classifier else _DETECTOR_BATCH)[self.engine.device]


def _pixels(shape: Any) -> int:
    """How many pixels a canvas has; the key of an item is the shape (H, W, 3) of its canvas."""
    return int(shape[0] * shape[1])


def _finished(
    pair: "tuple[Source, Future[Prediction]]",
) -> "tuple[Source, Future[Prediction]]":
    pair[1].exception()  # waits; the error stays in the future
    return pair
