"""The process that `bentoml serve` runs in: it starts workers, replaces them, and stops them.

BentoML's own supervisor looks for dead workers every 10 s, replaces none in a container, and stops
all services at once, so that a request which waits for its explanation loses the explainer. Its
listening socket stays open until the last process has ended: requests hang there, then are reset.
"""

import contextlib
import os
import signal
import socket
from functools import partial
from typing import Any

from bentoml._internal.utils import circus
from prometheus_client.multiprocess import mark_process_dead

from serving.loading import MISTAKE

_CHECK_S = 1.0
ENTRY = "service"  # BentoML's name for the watcher of the service that answers HTTP
ENTRY_SOCKET = "_bento_api_server"
_LAST_S = 2.0  # for the explainer to end when nobody waits for it any more
STOP_S = 2 * _LAST_S  # before the end of the grace time, in which explanations must have ended
_LISTENER_S = 0.5  # the worker stops accepting first; asyncio cannot accept on a dead socket


def supervise(*, drain_s: float, grace_s: float) -> None:
    """Make the server that is about to start in this process use Supervisor."""
    # BentoML offers no other way to choose it; mypy lets nobody replace a class by a function.
    circus.Arbiter = partial(Supervisor, drain_s=drain_s, grace_s=grace_s)  # type: ignore[misc, assignment]


class Supervisor(circus.Arbiter):
    """Replaces dead workers within about a second, and stops the entry service before others.

    From SIGTERM on: the worker keeps answering for `drain_s`, then connections are refused, and
    requests in flight are finished; whoever lives after `grace_s` is killed. A worker that ends
    with MISTAKE has said why, and would say so again: the server stops and exits with that status.
    """

    def __init__(
        self, watchers: list[Any], *, drain_s: float, grace_s: float, **options: Any
    ) -> None:
        super().__init__(watchers, **{**options, "check_delay": _CHECK_S})
        self._drain_s = drain_s
        self._is_mistaken = False
        for watcher in watchers:
            watcher.respawn = True
            watcher.graceful_timeout = grace_s - _LAST_S if watcher.name == ENTRY else _LAST_S
            watcher.hooks["after_reap"] = self._after_reap

    def start(self, cb: Any = None) -> Any:
        """Serve until the server stops."""
        ended = super().start(cb)
        if self._is_mistaken:
            raise SystemExit(MISTAKE)
        return ended

    async def _stop_watchers(
        self, close_output_streams: bool = False, watcher_iter_func: Any = None
    ) -> None:
        if self._stopping:  # and not restarting workers after a change of code
            self.loop.call_later(self._drain_s + _LISTENER_S, self._refuse_connections)
            await self.get_watcher(ENTRY)._stop(close_output_streams)
        await super()._stop_watchers(close_output_streams, watcher_iter_func)

    def _refuse_connections(self) -> None:
        with contextlib.suppress(OSError, KeyError):
            self.sockets[ENTRY_SOCKET].shutdown(socket.SHUT_RD)

    def _after_reap(self, *, watcher: Any, process_pid: int, exit_code: int, **_: Any) -> bool:
        """Take what a dead worker has left in the shared files out of the sums of /metrics."""
        mark_process_dead(process_pid, watcher.env["PROMETHEUS_MULTIPROC_DIR"])
        if exit_code == MISTAKE and not self._is_mistaken:
            self._is_mistaken = True
            self.loop.add_callback(self._give_up)
        return True

    def _give_up(self) -> None:
        """Stop as for anybody's SIGTERM, which circus ignores while it looks after workers."""
        if not self._stopping:
            os.kill(os.getpid(), signal.SIGTERM)
            self.loop.call_later(_CHECK_S, self._give_up)
