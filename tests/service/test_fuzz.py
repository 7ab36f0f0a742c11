"""Thousands of requests that are almost right: no 5xx, no hang, no memory that stays."""

import json
from collections import Counter
from random import Random

import httpx
import hypothesis
import pytest
import schemathesis

from tests.service.mutations import mutated_request
from tests.service.servers import Server

_QUICK, _LONG = 150, 10_000
_GROWTH_BYTES = 100_000_000
_NO_HTTP = b"Invalid HTTP request received."  # uvicorn's own answer, before ours is asked


def fuzz(client: httpx.Client, *, count: int, seed: int) -> Counter[int]:
    """Send `count` mutated requests; return how many got which status."""
    random, statuses = Random(seed), Counter[int]()
    for number in range(count):
        request = mutated_request(random)
        answer = client.request(**request, timeout=30)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (number, request, answer.text)
        if answer.status_code >= 400 and answer.content not in (b"", _NO_HTTP):
            assert json.loads(answer.content)["error"]["message"], (number, request)
    return statuses


def test_mutated_requests_are_answered(client: httpx.Client) -> None:
    statuses = fuzz(client, count=_QUICK, seed=0)
    assert {200, 400, 405, 404, 415} <= set(statuses), statuses


def test_requests_made_from_the_document_are_answered(server: Server, client: httpx.Client) -> None:
    from_document(server, client, count=50)


def from_document(server: Server, client: httpx.Client, *, count: int) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/docs.json").json())
    operation = schema["/score"]["POST"]
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)

    for mode in modes:

        @hypothesis.settings(
            max_examples=count // 2,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def is_answered(case: schemathesis.Case) -> None:
            answer = case.call(base_url=server.url, timeout=30)
            assert answer.status_code < 500 or answer.status_code == 504, answer.content

        is_answered()


@pytest.mark.slow
def test_ten_thousand_requests_leave_nothing_behind(server: Server, client: httpx.Client) -> None:
    from_document(server, client, count=2000)
    scorer = server.child("Scorer")
    fuzz(client, count=_LONG // 5, seed=1)
    before = scorer.memory_info().rss
    statuses = fuzz(client, count=_LONG - _LONG // 5, seed=2)
    assert sum(statuses.values()) == _LONG - _LONG // 5
    assert scorer.memory_info().rss - before < _GROWTH_BYTES
    assert client.get("/readyz").status_code == 200
    assert "Traceback" not in server.log.read_text()
