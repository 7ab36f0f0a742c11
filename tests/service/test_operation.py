"""What a real server logs and counts, and what it does about deadlines and lost clients."""

import asyncio
import base64
import contextlib
import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import uvicorn

from serving.connections import close_unfinished
from tests.inference.images import encoded
from tests.service.servers import Server
from tests.service.test_score import azure, error_of, explained

IMAGE = encoded(0)
TEXT = base64.b64encode(IMAGE).decode()
LARGE = base64.b64encode(encoded(1, size_wh=(1200, 900))).decode()
JPEG = {"Content-Type": "image/jpeg"}


def sample(client: httpx.Client, name: str) -> float:
    """Return one number of /metrics, 0 if it is not there yet."""
    line = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(line[1]) if line else 0.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def log_lines(server: Server, request_id: str, *, count: int) -> list[dict[str, Any]]:
    """Wait for so many lines of one request: they are written when it has been answered."""

    def found() -> list[str]:
        lines = server.log.read_text().splitlines()
        return [line for line in lines if f'"request_id":"{request_id}"' in line]

    wait_for(lambda: len(found()) >= count)
    return [json.loads(line) for line in found()]


def test_the_log_has_one_json_line_per_request(server: Server, client: httpx.Client) -> None:
    client.post("/score?secret=1", json=azure(TEXT, "?"), headers={"X-Request-Id": "log-1"})
    (line,) = log_lines(server, "log-1", count=1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert (line["method"], line["path"], line["status"]) == ("POST", "/score", 200)
    assert (line["client"], line["images"], line["batch_sizes"]) == ("127.0.0.1", 2, [1])
    assert line["errors"] == ["bad_image"]
    assert set(line["stages_ms"]) == {
        *("receive", "parse", "decode", "preprocess", "queue", "forward", "postprocess"),
        "serialise",
    }
    assert 0 < line["stages_ms"]["forward"] < line["ms"]
    assert TEXT[:40] not in server.log.read_text()


def test_every_line_of_the_workers_log_is_json(server: Server, client: httpx.Client) -> None:
    client.get("/nowhere")
    lines = server.log.read_text().splitlines()
    assert all(json.loads(line) for line in lines if "[cli]" not in line)
    assert sum("NO API KEYS" in line for line in lines) == 1


def test_probes_are_logged_only_where_they_fail(server: Server, client: httpx.Client) -> None:
    for method in ("GET", "DELETE"):
        client.request(method, "/livez", headers={"X-Request-Id": "probe-1"})
    assert [line["status"] for line in log_lines(server, "probe-1", count=1)] == [405]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ('sightline_requests_total{route="/score",status="200"}', 1),
        ('sightline_request_seconds_count{route="/score"}', 1),
        ('sightline_stage_seconds_count{stage="receive"}', 1),
        ('sightline_stage_seconds_count{stage="preprocess"}', 1),
        ('sightline_stage_seconds_count{stage="serialise"}', 1),
        ("sightline_images_total", 3),
        ("sightline_batch_size_count", 2),
        ('sightline_errors_total{code="bad_image"}', 1),
        ("sightline_queue_images", 0),
        ("sightline_queue_oldest_seconds", 0),
    ],
)
def test_a_request_of_two_images_and_a_bad_one_is_counted(
    client: httpx.Client, name: str, change: float
) -> None:
    before = sample(client, name)
    client.post("/score", json=azure(TEXT, "?", TEXT))
    assert sample(client, name) - before == change


def test_refusals_are_counted_by_reason(client: httpx.Client) -> None:
    name = 'sightline_rejections_total{reason="too_large"}'
    before = sample(client, name)
    client.post("/score", content=b" " * 20_000_001, headers={"Content-Type": "application/json"})
    client.post("/score", json=azure("?"))  # this one is an error, and no refusal
    assert sample(client, name) - before == 1


def test_explanations_are_counted_by_method(client: httpx.Client) -> None:
    labels = '{method="guided_backprop"}'
    before = sample(client, f"sightline_explanation_seconds_count{labels}")
    client.post("/score", json=explained("guided_backprop"))
    assert sample(client, f"sightline_explanation_seconds_count{labels}") - before == 1


def test_paths_that_clients_invent_leave_nothing_in_the_metrics(client: httpx.Client) -> None:
    other = 'sightline_requests_total{route="other",status="404"}'
    before = sample(client, other)
    for number in range(3):
        client.get(f"/invented-{number}")
    assert sample(client, other) - before == 3
    assert "invented" not in client.get("/metrics").text


@pytest.mark.parametrize("path", ["/score", "/info", "/livez", "/schema.json", "/nowhere", "/"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_other_origin_is_allowed_by_default(
    client: httpx.Client, method: str, path: str
) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = client.request(method, path, headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "1e3", "soon", "86400001", "9" * 5000])
def test_a_wrong_deadline_is_named(client: httpx.Client, value: str) -> None:
    answer = client.post("/score", content=IMAGE, headers={**JPEG, "X-Deadline-Ms": value})
    assert answer.status_code == 400
    message = error_of(answer)["message"]
    assert message.startswith("X-Deadline-Ms must be a whole number of milliseconds in 1…86400000")
    assert len(message) < 200


def test_a_deadline_that_passes_is_504_and_one_that_does_not_changes_nothing(
    client: httpx.Client,
) -> None:
    body = azure(LARGE, LARGE)
    late = client.post("/score", json=body, headers={"X-Deadline-Ms": "1"})
    assert (late.status_code, error_of(late)["code"]) == (504, "deadline_exceeded")
    in_time = client.post("/score", json=body, headers={"X-Deadline-Ms": "60000"})
    assert (in_time.status_code, in_time.json()) == (200, client.post("/score", json=body).json())


def send_and_leave(server: Server, body: dict[str, Any], request_id: str, stay_s: float) -> None:
    content = json.dumps(body).encode()
    head = (
        f"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-Request-Id: {request_id}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with server.raw() as connection:
        connection.sendall(head.encode() + content)
        time.sleep(stay_s)


def test_images_of_a_client_that_leaves_are_dropped(server: Server, client: httpx.Client) -> None:
    run = "sightline_batch_size_count"
    before = sample(client, run)
    send_and_leave(server, azure(*[LARGE] * 64), "gone-1", 0.1)
    (line,) = log_lines(server, "gone-1", count=1)
    assert (line["status"], line["errors"]) == (499, ["client_closed_request"])
    wait_for(lambda: sample(client, "sightline_queue_images") == 0)
    assert sample(client, run) == before


def test_the_explanation_of_a_client_that_leaves_ends(server: Server, client: httpx.Client) -> None:
    cancelled = 'sightline_explanations_total{method="integrated_gradients",outcome="cancelled"}'
    before = sample(client, cancelled)
    client.post("/score", json=explained("guided_backprop"))  # it has started
    explainer = server.child("Explainer")
    idle = explainer.cpu_times().user
    long = explained("integrated_gradients", n_steps=500)
    send_and_leave(server, azure(*[json.dumps(long)] * 2), "gone-2", 0.5)
    wait_for(lambda: sample(client, cancelled) == before + 2)  # one ran, one waited
    assert explainer.cpu_times().user > idle
    wait_for(lambda: cpu_used(explainer) < 0.05)


def cpu_used(process: Any) -> float:
    before = process.cpu_times().user
    time.sleep(0.5)
    return process.cpu_times().user - before


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_connections_that_do_not_send_their_headers_are_closed() -> None:
    def ask(port: int, *parts: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            answer = b""
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
                    time.sleep(0.25)
                while received := connection.recv(4096):
                    answer += received
            return answer

    async def scenario() -> None:
        server = uvicorn.Server(uvicorn.Config(hello, port=0, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        cleaning = asyncio.create_task(close_unfinished(server, every_s=0.2))
        whole = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        first = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        silent, slow, second, complete = await asyncio.gather(
            asyncio.to_thread(ask, port),
            asyncio.to_thread(ask, port, *[whole[i : i + 2] for i in range(0, 8, 2)]),
            asyncio.to_thread(ask, port, first, b"GET / HT"),
            asyncio.to_thread(ask, port, whole),
        )
        assert (silent, slow) == (b"", b"")
        assert second.count(b"hello") == complete.count(b"hello") == 1
        cleaning.cancel()
        server.should_exit = True
        await serving

    asyncio.run(asyncio.wait_for(scenario(), 30))
