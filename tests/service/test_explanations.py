import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from inference.errors import ExplanationFailed
from inference.schema import XaiParameters
from serving.explanations import ExplanationQueue

PARAMETERS = XaiParameters(n_steps=20)
ANSWER = {"visualizations": b'"png"'}


def queue(explain: Any, **options: Any) -> ExplanationQueue:
    return ExplanationQueue(explain, **{"max_waiting": 1, "timeout_s": 30, **options})


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), timeout=30))


def test_the_explainer_gets_bytes_parameters_and_the_time_left() -> None:
    async def explain(
        image: bytes, parameters: dict[str, Any], left_s: float
    ) -> Mapping[str, bytes]:
        assert (image, parameters) == (b"jpeg", PARAMETERS.model_dump())
        assert 0 < left_s <= 30
        return ANSWER

    async def scenario() -> None:
        assert await queue(explain).explain(b"jpeg", PARAMETERS) == ANSWER

    run(scenario)


def test_one_runs_one_waits_and_the_next_is_refused() -> None:
    async def scenario() -> None:
        may_end = asyncio.Event()
        running = 0

        async def explain(*_: Any) -> Mapping[str, bytes]:
            nonlocal running
            running += 1
            assert running == 1
            await may_end.wait()
            running -= 1
            return ANSWER

        short = queue(explain, max_waiting=1)
        two = [asyncio.create_task(short.explain(b"", PARAMETERS)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ExplanationFailed, match="1 explanations are waiting already"):
            await short.explain(b"", PARAMETERS)
        may_end.set()
        assert await asyncio.gather(*two) == [ANSWER, ANSWER]
        assert await short.explain(b"", PARAMETERS) == ANSWER

    run(scenario)


def test_a_late_explanation_is_given_up_and_its_place_is_free_again() -> None:
    async def scenario() -> None:
        calls = 0

        async def late_once(*_: Any) -> Mapping[str, bytes]:
            nonlocal calls
            calls += 1
            if calls == 1:
                await asyncio.Event().wait()
            return ANSWER

        impatient = queue(late_once, max_waiting=0, timeout_s=0.01)
        with pytest.raises(ExplanationFailed, match=r"not explained within 0\.01 s"):
            await impatient.explain(b"", PARAMETERS)
        assert await impatient.explain(b"", PARAMETERS) == ANSWER

    run(scenario)


@pytest.mark.parametrize(("losses", "survives"), [(1, True), (2, False)])
def test_a_lost_connection_is_tried_once_more(losses: int, survives: bool) -> None:
    async def scenario() -> None:
        left = losses

        async def explain(*_: Any) -> Mapping[str, bytes]:
            nonlocal left
            left -= 1
            if left >= 0:
                raise ConnectionResetError
            return ANSWER

        if survives:
            assert await queue(explain).explain(b"", PARAMETERS) == ANSWER
        else:
            with pytest.raises(ExplanationFailed, match=r"failed .ConnectionResetError"):
                await queue(explain).explain(b"", PARAMETERS)

    run(scenario)


def test_what_the_explainer_raises_hides_its_details_from_the_client() -> None:
    async def explain(*_: Any) -> Mapping[str, bytes]:
        raise RuntimeError("secret path")

    async def scenario() -> None:
        with pytest.raises(ExplanationFailed, match=r"failed .RuntimeError") as raised:
            await queue(explain).explain(b"", PARAMETERS)
        assert "secret" not in str(raised.value)

    run(scenario)
