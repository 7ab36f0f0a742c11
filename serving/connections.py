"""Connections that never finish sending their headers, which uvicorn has no limit for."""

import asyncio
import signal
from typing import Any

HEADERS_S = 10.0


async def close_unfinished(server: Any, *, every_s: float = HEADERS_S) -> None:
    """For ever close connections of the uvicorn server that wait for headers too long.

    A connection is closed that was found waiting twice, `every_s` apart, for the same request: so
    after one to two times `every_s`. Answered ones have uvicorn's own keep-alive limit.
    """
    before: dict[Any, Any] = {}
    while True:
        await asyncio.sleep(every_s)
        waiting = {one: one.cycle for one in server.server_state.connections if _waits(one)}
        for connection, request in waiting.items():
            if connection in before and before[connection] is request:
                connection.transport.close()
        before = waiting


def _waits(connection: Any) -> bool:
    """Whether it has begun to send a request, or its first is due, and headers are missing."""
    is_idle = connection.cycle is None or connection.cycle.response_complete
    return is_idle and connection.timeout_keep_alive_task is None


def running_server() -> Any | None:
    """Return the uvicorn server of this process, None if there is none: it handles SIGTERM."""
    return getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
