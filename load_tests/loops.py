"""The two ways to load a server: clients that wait for their answers, and a fixed schedule."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from itertools import count
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from load_tests.client import Target, clock, open_session, send
from load_tests.outcomes import Measurement, Outcome
from load_tests.payloads import Payload


async def closed_loop(
    target: Target,
    payloads: Sequence[Payload],
    *,
    clients: int,
    duration_s: float,
    warmup_s: float = 1.0,
    keep_body: bool = False,
) -> Measurement:
    """Let `clients` send their next request as soon as the last one is answered.

    Payloads go round in order, whoever is next. Cancelled, it returns what was measured.
    """
    outcomes: list[Outcome] = []
    turns = count()
    begin_s = clock() + warmup_s
    end_s = begin_s + duration_s

    async def client(session: aiohttp.ClientSession) -> None:
        while clock() < end_s:
            payload = payloads[next(turns) % len(payloads)]
            outcomes.append(await send(session, target, payload, keep_body=keep_body))

    async with open_session(target) as session:
        cpu_s, interrupted = await _finished(client(session) for _ in range(clients))
    seconds = min(duration_s, max(clock() - begin_s, 0.0))
    return Measurement(outcomes, begin_s, seconds, cpu_s, interrupted)


async def open_loop(
    target: Target,
    payloads: Sequence[Payload],
    offsets_s: NDArray[np.float64],
    *,
    duration_s: float,
    keep_body: bool = False,
) -> Measurement:
    """Send requests at `offsets_s` after the begin, answered or not, and wait for all answers.

    Latency counts from when a request was due: a server that stalls cannot slow the load down.
    Cancelled, it returns what was measured.
    """
    outcomes: list[Outcome] = []
    begin_s = clock()

    async def request(session: aiohttp.ClientSession, payload: Payload, due_s: float) -> None:
        answer = await send(session, target, payload, scheduled_s=due_s, keep_body=keep_body)
        outcomes.append(answer)

    async def schedule(session: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as group:
            for turn, offset_s in enumerate(offsets_s):
                due_s = begin_s + float(offset_s)
                await asyncio.sleep(max(0.0, due_s - clock()))
                payload = payloads[turn % len(payloads)]
                group.create_task(request(session, payload, due_s))

    async with open_session(target) as session:
        cpu_s, interrupted = await _finished([schedule(session)])
    seconds = min(duration_s, clock() - begin_s) if interrupted else duration_s
    return Measurement(outcomes, begin_s, seconds, cpu_s, interrupted)


async def together(*loops: Coroutine[Any, Any, Measurement]) -> list[Measurement]:
    """Run several loops at once. Cancelled, each returns what it measured."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return [task.result() for task in tasks]


def poisson(rate: float, duration_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Arrival times in [0, duration_s) of a Poisson process with `rate` per second."""
    number = rng.poisson(rate * duration_s)
    return np.sort(rng.uniform(0.0, duration_s, number))


async def _finished(work: Iterable[Coroutine[Any, Any, None]]) -> tuple[float, bool]:
    """Run all to their end; return this process's CPU seconds and whether it was cancelled.

    asyncio.run turns Ctrl-C into a cancellation.
    """
    begin = time.process_time()
    tasks = [asyncio.ensure_future(coroutine) for coroutine in work]
    interrupted = False
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        interrupted = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return time.process_time() - begin, interrupted
