"""Small servers whose behaviour is known: a handler, served from a thread."""

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ANSWER = [{"probs": [0.75, 0.25], "labels": ["a", "b"]}]


@contextmanager
def serving(score: Handler) -> Iterator[str]:
    """Answer POST /score with `score` until the block ends; yields the base address."""
    loop = asyncio.new_event_loop()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/score", score)
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def delayed(seconds: float) -> Handler:
    """Any number of requests at once, each after the same time."""

    async def score(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(seconds)
        return web.json_response(ANSWER)

    return score


def one_at_a_time(seconds: float) -> Handler:
    """A queue without end in front of a worker that takes `seconds` per request."""
    turn = asyncio.Lock()

    async def score(request: web.Request) -> web.Response:
        await request.read()
        async with turn:
            await asyncio.sleep(seconds)
        return web.json_response(ANSWER)

    return score


def bounded(seconds: float, *, places: int, retry_after: bool = True) -> Handler:
    """The same with `places` in the queue; more requests get 429, with Retry-After or without."""
    turn = asyncio.Lock()
    waiting = 0

    async def score(request: web.Request) -> web.Response:
        nonlocal waiting
        await request.read()
        if waiting >= places:
            headers = {"Retry-After": "1"} if retry_after else {}
            return web.json_response({"error": {}}, status=429, headers=headers)
        waiting += 1
        try:
            async with turn:
                await asyncio.sleep(seconds)
        finally:
            waiting -= 1
        return web.json_response(ANSWER)

    return score


def batching(*, spreads_errors: bool) -> Handler:
    """Collect requests for 10 ms; a damaged one fails alone, or takes its batch with it."""
    batch: list[tuple[bool, asyncio.Future[bool]]] = []

    def flush() -> None:
        harmed = any(bad for bad, _ in batch)
        for bad, future in batch:
            if not future.done():
                future.set_result(harmed if spreads_errors else bad)
        batch.clear()

    async def score(request: web.Request) -> web.Response:
        image = base64.b64decode((await request.json())["image_base64"])
        bad = not (image.startswith(b"\xff\xd8") and image.endswith(b"\xff\xd9"))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        if not batch:
            loop.call_later(0.01, flush)
        batch.append((bad, future))
        failed = await future
        return web.json_response({"error": {}}, status=400) if failed else web.json_response(ANSWER)

    return score
