"""A short queue in front of the explainer's process: explanations may fail, scores may not."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

from inference.errors import ExplanationFailed
from inference.schema import XaiParameters
from inference.settings import Settings

log = logging.getLogger("bentoml.sightline")

# Image bytes, JsonExplainer's question and the seconds left, to a JSON text per key of the answer.
Explain = Callable[[bytes, dict[str, Any], float], Awaitable[Mapping[str, bytes]]]
# The method, how it ended (ok, refused, late, failed, cancelled) and seconds, the wait included.
Note = Callable[[str, str, float], None]


class ExplanationQueue:
    """Lets one explanation through at a time; at most `max_waiting` more wait for their turn."""

    def __init__(
        self,
        explain: Explain,
        *,
        max_waiting: int,
        timeout_s: float,
        retry_on: tuple[type[Exception], ...] = (ConnectionError,),
        note: Note = lambda method, outcome, seconds: None,
    ) -> None:
        self._explain = explain
        self._max_waiting = max_waiting
        self._timeout_s = timeout_s
        self._retry_on = retry_on
        self._note = note
        self._pending: set[asyncio.Timeout] = set()
        self._turn = asyncio.Semaphore(1)
        self._end = math.inf  # a time of the event loop, after which there are no more

    async def explain(
        self,
        image: bytes,
        parameters: XaiParameters,
        settings: Settings,
        *,
        timeout_s: float | None = None,
    ) -> Mapping[str, bytes]:
        """Explain one image within `timeout_s` or the queue's own limit, the wait included.

        Raises ExplanationFailed when it is refused, late or fails.
        """
        begin, outcome = perf_counter(), "failed"
        limit_s = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
        try:
            if len(self._pending) > self._max_waiting:
                outcome = "refused"
                raise ExplanationFailed(
                    f"{self._max_waiting} explanations are waiting already; ask again later"
                )
            question = {"parameters": parameters.model_dump(), "settings": settings.model_dump()}
            texts = await self._in_time(image, question, limit_s)
            outcome = "failed" if "explanation_error" in texts else "ok"
            return texts
        except TimeoutError:
            outcome = "late"
            stops = self._end < math.inf
            why = "because the server stops" if stops else f"within {limit_s:g} s"
            raise ExplanationFailed(f"not explained {why}") from None
        except ExplanationFailed:
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception as error:  # whatever the other process does, the score must survive
            log.exception("explanation failed")
            raise ExplanationFailed(f"the explainer failed ({type(error).__name__})") from error
        finally:
            self._note(parameters.xai_algorithm or "default", outcome, perf_counter() - begin)

    def stop(self, within_s: float) -> None:
        """Give up, after `within_s`, those that are not done by then: the server has to end."""
        self._end = asyncio.get_running_loop().time() + within_s
        for timeout in self._pending:
            timeout.reschedule(min(timeout.when() or self._end, self._end))

    async def _in_time(
        self, image: bytes, question: dict[str, Any], limit_s: float
    ) -> Mapping[str, bytes]:
        clock = asyncio.get_running_loop().time
        deadline = min(clock() + limit_s, self._end)
        timeout = asyncio.timeout_at(deadline)
        async with timeout:
            self._pending.add(timeout)
            try:
                async with self._turn:
                    try:
                        return await self._explain(image, question, deadline - clock())
                    except self._retry_on:  # a worker that was just replaced; a second is an error
                        return await self._explain(image, question, deadline - clock())
            finally:
                self._pending.discard(timeout)
