"""What is tried again, when, and how a call ends in time. The server follows a script."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from client import Client, ServerSaid, TimedOut, Unreachable
from tests.client.scripted import RESULT, Answer, asking, refusal
from tests.inference.images import encoded

JPEG = encoded(0)
GOOD = Answer()


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_refusal_is_tried_again_after_the_time_it_names(status: int) -> None:
    with (
        asking([refusal(status, "overloaded", Retry_After="0.3"), GOOD]) as (client, server),
    ):
        assert client.score(JPEG) == RESULT
    (wait_ms,) = server.waits_ms
    assert 300 <= wait_ms < 2000


def test_retry_after_may_be_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with (
        asking([refusal(503, "device_lost", Retry_After=at), GOOD]) as (client, server),
    ):
        client.score(JPEG)
    assert server.waits_ms[0] > 500  # dates have whole seconds


def test_waits_double_where_the_server_names_none() -> None:
    with (
        asking([refusal(503, "device_lost")], retries=3) as (client, server),
        pytest.raises(ServerSaid, match="503 device_lost: no") as raised,
    ):
        client.score(JPEG)
    assert (raised.value.status, raised.value.code) == (503, "device_lost")
    assert len(server.asked) == 4
    for turn, wait_ms in enumerate(server.waits_ms):
        assert 50 * 2**turn <= wait_ms < 100 * 2**turn + 400


def test_a_wait_that_the_call_has_no_time_for_is_not_begun() -> None:
    begin = time.perf_counter()
    with (
        asking([refusal(429, "overloaded", Retry_After="30")], timeout=5) as (client, _),
        pytest.raises(ServerSaid, match="overloaded"),
    ):
        client.score(JPEG)
    assert time.perf_counter() - begin < 4


@pytest.mark.parametrize("status", [400, 401, 413, 415, 500])
def test_a_mistake_is_not_tried_again(status: int) -> None:
    with (
        asking([refusal(status, "bad", X_Request_Id="r1")]) as (client, server),
        pytest.raises(ServerSaid, match=r"no \(request r1\)"),
    ):
        client.score(JPEG)
    assert len(server.asked) == 1


def test_the_words_of_a_proxy_are_kept() -> None:
    with (
        asking([Answer(504, b"<h1>Gateway</h1>")]) as (client, _),
        pytest.raises(ServerSaid, match="504 without a code: <h1>Gateway") as raised,
    ):
        client.score(JPEG)
    assert raised.value.code == ""


@pytest.mark.parametrize("broken", [Answer(cut=True), Answer(hang_up=True)], ids=["within", "mute"])
def test_an_answer_that_breaks_off_is_asked_for_again(broken: Answer) -> None:
    with asking([broken, GOOD]) as (client, server):
        assert client.score(JPEG) == RESULT
    assert len(server.asked) == 2


def test_a_server_that_always_breaks_off_is_unreachable() -> None:
    with (
        asking([Answer(cut=True)], retries=1) as (client, server),
        pytest.raises(Unreachable, match="IncompleteRead"),
    ):
        client.score(JPEG)
    assert len(server.asked) == 2


def test_no_server_is_unreachable() -> None:
    with (
        Client("http://127.0.0.1:9", retries=1) as client,
        pytest.raises(Unreachable, match="refused"),
    ):
        client.score(JPEG)


def test_a_silent_server_ends_the_call_in_time() -> None:
    begin = time.perf_counter()
    with asking([Answer(after_s=1)], timeout=0.3) as (client, _):
        with pytest.raises(TimedOut):
            client.score(JPEG)
        waited_s = time.perf_counter() - begin
    assert 0.3 <= waited_s < 0.9


def test_the_server_knows_the_deadline_and_may_say_that_it_passed() -> None:
    with (
        asking([refusal(504, "deadline_exceeded")], timeout=4) as (client, server),
        pytest.raises(TimedOut, match="no"),
    ):
        client.score(JPEG)
    assert 3000 < int(server.asked[0].headers["X-Deadline-Ms"]) <= 3600
