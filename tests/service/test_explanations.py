import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from inference.errors import ExplanationFailed
from inference.schema import XaiParameters
from inference.settings import ClassificationSettings
from serving.explanations import ExplanationQueue

PARAMETERS = XaiParameters(n_steps=20)
SETTINGS = ClassificationSettings()
ANSWER = {"visualizations": b'"png"'}


def queue(explain: Any, **options: Any) -> ExplanationQueue:
    return ExplanationQueue(explain, **{"max_waiting": 1, "timeout_s": 30, **options})


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), timeout=30))


def test_the_explainer_gets_bytes_question_and_the_time_left() -> None:
    async def explain(image: bytes, question: dict[str, Any], left_s: float) -> Mapping[str, bytes]:
        assert image == b"jpeg"
        assert question["parameters"] == PARAMETERS.model_dump()
        assert question["settings"] == SETTINGS.model_dump()
        assert 0 < left_s <= 30
        return ANSWER

    async def scenario() -> None:
        assert await queue(explain).explain(b"jpeg", PARAMETERS, SETTINGS) == ANSWER

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
        two = [asyncio.create_task(short.explain(b"", PARAMETERS, SETTINGS)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ExplanationFailed, match="1 explanations are waiting already"):
            await short.explain(b"", PARAMETERS, SETTINGS)
        may_end.set()
        assert await asyncio.gather(*two) == [ANSWER, ANSWER]
        assert await short.explain(b"", PARAMETERS, SETTINGS) == ANSWER

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
            await impatient.explain(b"", PARAMETERS, SETTINGS)
        assert await impatient.explain(b"", PARAMETERS, SETTINGS) == ANSWER

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
            assert await queue(explain).explain(b"", PARAMETERS, SETTINGS) == ANSWER
        else:
            with pytest.raises(ExplanationFailed, match=r"failed .ConnectionResetError"):
                await queue(explain).explain(b"", PARAMETERS, SETTINGS)

    run(scenario)


def test_what_the_explainer_raises_hides_its_details_from_the_client() -> None:
    async def explain(*_: Any) -> Mapping[str, bytes]:
        raise RuntimeError("secret path")

    async def scenario() -> None:
        with pytest.raises(ExplanationFailed, match=r"failed .RuntimeError") as raised:
            await queue(explain).explain(b"", PARAMETERS, SETTINGS)
        assert "secret" not in str(raised.value)

    run(scenario)


def test_what_is_not_done_when_the_server_stops_is_given_up() -> None:
    async def never(*_: Any) -> Mapping[str, bytes]:
        await asyncio.Event().wait()
        return ANSWER

    async def scenario() -> None:
        stopping = queue(never)
        two = [asyncio.create_task(stopping.explain(b"", PARAMETERS, SETTINGS)) for _ in range(2)]
        await asyncio.sleep(0)
        stopping.stop(within_s=0.01)
        for outcome in await asyncio.gather(*two, return_exceptions=True):
            assert str(outcome) == "not explained because the server stops"
        with pytest.raises(ExplanationFailed, match="because the server stops"):
            await stopping.explain(
                b"", PARAMETERS, SETTINGS
            )  # in the drain, when the end is set already

    run(scenario)


@pytest.mark.parametrize(
    ("explain", "timeout_s", "outcome"),
    [
        (lambda: ANSWER, None, "ok"),
        (lambda: {"explanation_error": b"{}"}, None, "failed"),
        (lambda: 1 / 0, None, "failed"),
        (None, 0.01, "late"),
    ],
)
def test_every_end_is_noted(explain: Any, timeout_s: float | None, outcome: str) -> None:
    async def answer(*_: Any) -> Any:
        return explain() if explain else await asyncio.Event().wait()

    async def scenario() -> None:
        ends: list[tuple[str, str, float]] = []
        noting = queue(answer, note=lambda *end: ends.append(end))
        with contextlib.suppress(ExplanationFailed):
            await noting.explain(
                b"", XaiParameters(xai_algorithm="xrai"), SETTINGS, timeout_s=timeout_s
            )
        ((method, how, seconds),) = ends
        assert (method, how) == ("xrai", outcome)
        assert 0 <= seconds < 30

    run(scenario)
