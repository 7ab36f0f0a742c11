"""A short queue in front of the explainer's process: explanations may fail, scores may not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from inference.errors import ExplanationFailed
from inference.schema import XaiParameters

log = logging.getLogger("bentoml.sightline")

# Image bytes, parameters and the seconds that are left, to a JSON text per key of the answer.
Explain = Callable[[bytes, dict[str, Any], float], Awaitable[Mapping[str, bytes]]]


class ExplanationQueue:
    """Lets one explanation through at a time; at most `max_waiting` more wait for their turn."""

    def __init__(
        self,
        explain: Explain,
        *,
        max_waiting: int,
        timeout_s: float,
        retry_on: tuple[type[Exception], ...] = (ConnectionError,),
    ) -> None:
        self._explain = explain
        self._max_waiting = max_waiting
        self._timeout_s = timeout_s
        self._retry_on = retry_on
        self._pending = 0
        self._turn = asyncio.Semaphore(1)

    async def explain(self, image: bytes, parameters: XaiParameters) -> Mapping[str, bytes]:
        """Explain one image within the deadline, its wait included.

        Raises ExplanationFailed when it is refused, late or fails.
        """
        if self._pending > self._max_waiting:
            raise ExplanationFailed(
                f"{self._max_waiting} explanations are waiting already; ask again later"
            )
        self._pending += 1
        try:
            return await self._in_time(image, parameters)
        except TimeoutError:
            raise ExplanationFailed(f"not explained within {self._timeout_s:g} s") from None
        except ExplanationFailed:
            raise
        except Exception as error:  # whatever the other process does, the score must survive
            log.exception("explanation failed")
            raise ExplanationFailed(f"the explainer failed ({type(error).__name__})") from error
        finally:
            self._pending -= 1

    async def _in_time(self, image: bytes, parameters: XaiParameters) -> Mapping[str, bytes]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeout_s
        async with asyncio.timeout_at(deadline), self._turn:
            values = parameters.model_dump()
            try:
                return await self._explain(image, values, deadline - clock())
            except self._retry_on:  # a worker that was just replaced; a second loss is an error
                return await self._explain(image, values, deadline - clock())
