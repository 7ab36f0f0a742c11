import asyncio
import time

import numpy as np
import pytest
from aiohttp import web

from load_tests.client import Target
from load_tests.loops import closed_loop, open_loop, poisson, together
from load_tests.payloads import Payload
from load_tests.summary import summarize
from tests.load_tests.servers import ANSWER, delayed, one_at_a_time, serving

PAYLOADS = [Payload("a", b"{}")]


def test_closed_loop_throughput_is_clients_divided_by_the_servers_time() -> None:
    with serving(delayed(0.05)) as url:
        loop = closed_loop(Target(url), PAYLOADS, clients=4, duration_s=1.5, warmup_s=0.2)
        summary = summarize(asyncio.run(loop))
    assert 40 < summary.requests_per_s <= 84  # 4 / 0.05 s = 80; a busy machine is slower
    assert summary.p50_ms >= 50
    assert summary.errors == 0


def test_open_loop_latency_counts_the_queue() -> None:
    with serving(one_at_a_time(0.1)) as url:
        loop = open_loop(Target(url), PAYLOADS, np.zeros(5), duration_s=1.0)
        outcomes = asyncio.run(loop).outcomes
    latencies = sorted(outcome.latency_s for outcome in outcomes)
    assert [latency >= 0.1 * n for n, latency in enumerate(latencies, 1)] == [True] * 5


def stalling(begin: float, end: float) -> object:
    """A server that answers at once, but nothing at all between two times after its first call."""
    first: list[float] = []

    async def score(request: web.Request) -> web.Response:
        await request.read()
        now = time.monotonic()
        first.append(now)
        if begin <= now - first[0] < end:
            await asyncio.sleep(first[0] + end - now)
        return web.json_response(ANSWER)

    return score


def test_a_stall_is_not_omitted() -> None:
    """Half of the requests fall into a stall of 1 s; a closed loop sees one of them."""
    offsets = np.arange(0.0, 2.0, 0.02)
    with serving(stalling(0.5, 1.5)) as url:
        opened = asyncio.run(open_loop(Target(url), PAYLOADS, offsets, duration_s=2.0))
    with serving(stalling(0.5, 1.5)) as url:
        loop = closed_loop(Target(url), PAYLOADS, clients=1, duration_s=2.0, warmup_s=0.0)
        closed = asyncio.run(loop)
    waited = [outcome for outcome in opened.outcomes if outcome.latency_s > 0.2]
    assert 35 <= len(waited) <= 65  # 40 by the pencil
    assert max(outcome.latency_s for outcome in opened.outcomes) > 0.8
    assert summarize(closed).p50_ms < 200
    assert sum(outcome.latency_s > 0.8 for outcome in closed.outcomes) == 1


def test_a_request_without_an_answer_is_an_error_with_a_name() -> None:
    with serving(delayed(5.0)) as url:
        loop = open_loop(Target(url, timeout_s=0.2), PAYLOADS, np.zeros(2), duration_s=1.0)
        assert summarize(asyncio.run(loop)).codes == {"timeout": 2}
    loop = open_loop(Target(url), PAYLOADS, np.zeros(1), duration_s=1.0)
    assert summarize(asyncio.run(loop)).codes == {"ClientConnectorError": 1}


def test_a_cancelled_loop_returns_what_it_measured() -> None:
    async def cancelled() -> list[object]:
        target = Target(url)
        closed = closed_loop(target, PAYLOADS, clients=2, duration_s=60.0, warmup_s=0.0)
        opened = open_loop(target, PAYLOADS, np.arange(600) / 10, duration_s=60.0)
        task = asyncio.create_task(together(closed, opened))
        await asyncio.sleep(0.6)
        task.cancel()
        return list(await task)

    with serving(delayed(0.01)) as url:
        for measured in asyncio.run(cancelled()):
            assert measured.interrupted
            assert measured.seconds < 10
            assert measured.outcomes


@pytest.mark.parametrize(("rate", "duration"), [(0.0, 5.0), (50.0, 100.0), (400.0, 10.0)])
def test_poisson_arrivals_have_the_rate_and_its_variance(rate: float, duration: float) -> None:
    arrivals = poisson(rate, duration, np.random.default_rng(1))
    expected = rate * duration
    assert abs(len(arrivals) - expected) <= 5 * expected**0.5
    assert np.all(np.diff(arrivals) >= 0)
    if rate:
        gaps = np.diff(arrivals)
        assert np.std(gaps) / np.mean(gaps) == pytest.approx(1.0, abs=0.1)  # exponential
