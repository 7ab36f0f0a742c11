"""SIGTERM in a worker: not ready any more, still answering for a while, then the server's stop."""

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any


class Stopping:
    """Puts a drain between SIGTERM and the HTTP server's own handler.

    A load balancer needs a moment to see that /readyz has changed; requests that it sends meanwhile
    are answered. A second signal ends the drain.
    """

    def __init__(self, *, drain_s: float) -> None:
        self._drain_s = drain_s
        self.has_begun = False

    def catch_signals(self, on_begin: Callable[[], None]) -> None:
        """Call in the running event loop, when the HTTP server has installed its handlers."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            stop = signal.getsignal(number)
            if callable(stop):
                loop.add_signal_handler(number, self._begin, stop, number, on_begin)

    def _begin(
        self, stop: Callable[[int, Any], Any], number: int, on_begin: Callable[[], None]
    ) -> None:
        if self.has_begun:
            stop(number, None)
            return
        self.has_begun = True
        on_begin()
        asyncio.get_running_loop().call_later(self._drain_s, stop, number, None)
