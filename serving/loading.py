"""A worker's predictor, loaded in a thread while the worker already answers probes."""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from inference.errors import DeviceLost, SightlineError
from inference.predictor import Predictor

log = logging.getLogger("bentoml.sightline")

# Exit statuses of a worker that cannot serve, by the names of sysexits.h.
_FAILED = os.EX_SOFTWARE  # another one may do better
MISTAKE = os.EX_CONFIG  # none can, as the server was started
_ANSWERS_S = 0.5  # for answers on their way when a worker ends itself


class LoadingPredictor:
    """Call in the running event loop. A worker whose model cannot be loaded ends.

    With MISTAKE where arguments or model folder are to blame: see Supervisor.
    """

    def __init__(self, load: Callable[[], Predictor]) -> None:
        # Not to_thread, whose threads stay, and with them OpenMP's helpers of each.
        thread = ThreadPoolExecutor(1, "load")
        self._task = asyncio.get_running_loop().run_in_executor(thread, load)
        thread.shutdown(wait=False)
        self._task.add_done_callback(_end_if_failed)

    async def get(self) -> Predictor:
        """Return the predictor once it is loaded: a worker that has just started answers late."""
        return await asyncio.shield(self._task)

    def now(self) -> Predictor | None:
        """Return the predictor, None while it is loaded."""
        return self._task.result() if self._task.done() else None


def end_soon(reason: str) -> None:
    """End this process, so that another replaces it, when answers have been sent."""
    log.critical("%s; this worker ends and is replaced", reason)
    asyncio.get_running_loop().call_later(_ANSWERS_S, os._exit, _FAILED)


def _end_if_failed(task: "asyncio.Future[Predictor]") -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    is_mistake = isinstance(error, SightlineError) and not isinstance(error, DeviceLost)
    log.critical("the model was not loaded: %s", error, exc_info=None if is_mistake else error)
    os._exit(MISTAKE if is_mistake else _FAILED)
