"""A server with keys, CORS, a short time limit and a text log; at last its worker is killed."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import Server, running_server

IMAGE = encoded(0)
KEY = {"Authorization": "Bearer second-key"}
JPEG = {"Content-Type": "image/jpeg"}
ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    folder = write_model_folder(home / "model", onnx=True)
    arguments = (f"model={folder.path}", "engine=auto", "device=cpu", "explain=false")
    arguments += ("drain_s=0", f"cors_origins={ORIGIN}", "body_timeout_s=1", "log_format=text")
    keys = {"SIGHTLINE_API_KEYS": "first-key,second-key"}
    with running_server(*arguments, home=home, variables=keys) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer third-key", "Bearer second-ke", "second-key", "Basic second-key"],
)
@pytest.mark.parametrize("path", ["/score", "/info", "/metrics", "/schema.json", "/nowhere"])
def test_without_a_key_nothing_is_told(
    client: httpx.Client, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = client.request("POST" if path == "/score" else "GET", path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
@pytest.mark.parametrize("key", ["first-key", "second-key"])
def test_every_key_opens_the_server(client: httpx.Client, scheme: str, key: str) -> None:
    headers = {**JPEG, "Authorization": f"{scheme} {key}"}
    assert client.post("/score", content=IMAGE, headers=headers).status_code == 200


def test_info_tells_what_the_choice_of_the_engine_was_made_from(client: httpx.Client) -> None:
    engine = client.get("/info", headers=KEY).json()["engine"]
    assert engine["choice"]["engine"] == engine["name"]
    assert {one["engine"] for one in engine["choice"]["candidates"]} > {"torch", "onnxruntime"}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/", "/docs.json"])
def test_probes_and_the_page_need_no_key(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_page_of_an_allowed_origin_may_ask(client: httpx.Client) -> None:
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    wanted = {"Access-Control-Request-Headers": "authorization,content-type,x-deadline-ms"}
    answer = client.options("/score", headers={**preflight, **wanted})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    refused = client.post("/score", headers={"Origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
    other = client.get("/info", headers={**KEY, "Origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


def request_head(length: int) -> bytes:
    return (
        b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        b"Authorization: Bearer first-key\r\nContent-Length: %d\r\n\r\n" % length
    )


def test_a_body_that_does_not_arrive_is_not_waited_for(server: Server) -> None:
    with server.raw() as connection:
        connection.sendall(request_head(1000) + IMAGE[:10])
        begin, answer = time.monotonic(), b""
        while part := connection.recv(4096):  # until the server closes it
            answer += part
    assert 0.5 < time.monotonic() - begin < 30
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body_timeout"' in answer


def test_the_text_log_has_a_line_per_request_and_no_key(
    server: Server, client: httpx.Client
) -> None:
    client.get("/no%0Awhere", headers={**KEY, "X-Request-Id": "text-1"})
    client.get("/livez", headers={"X-Request-Id": "text-2"})
    log = server.log.read_text()
    (line,) = (line for line in log.splitlines() if "text-1" in line)
    assert ' 127.0.0.1 GET "/no\\nwhere" 404 ' in line
    assert "text-2" not in log
    assert "first-key" not in log
    assert "second-key" not in log
    assert "NO API KEYS" not in log


def test_a_killed_worker_is_replaced_and_only_requests_in_flight_fail(
    server: Server, client: httpx.Client
) -> None:
    worker = server.child("Scorer")
    with ThreadPoolExecutor(2) as pool:
        worker.kill()
        worker.wait(10)
        begin = time.monotonic()
        pending = [
            pool.submit(client.post, "/score", content=IMAGE, headers={**JPEG, **KEY})
            for _ in range(2)
        ]
        while replaced(server, worker.pid) is None:
            time.sleep(0.02)
        noticed_s = time.monotonic() - begin
        assert [one.result().status_code for one in pending] == [200, 200]
    assert noticed_s < 5  # 1 s on a machine with nothing else to do; BentoML's own 10 s
    metrics = client.get("/metrics", headers=KEY).text
    assert "sightline_queue_images 0.0" in metrics


def replaced(server: Server, pid: int) -> Any:
    try:
        child = server.child("Scorer")
    except (ValueError, psutil.Error):  # there is none at the moment
        return None
    return child if child.pid != pid else None
