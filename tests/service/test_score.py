"""One real server with onnxruntime, and everything that a request can be or get wrong."""

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.inference.images import black_png, encoded
from tests.service.servers import Server

IMAGE = encoded(0)
TEXT = base64.b64encode(IMAGE).decode()
PNG = encoded(0, kind="PNG")
HUGE = black_png(8000, 6300)  # 50.4 megapixels
STAGES = [
    *("receive", "parse", "decode", "preprocess", "queue", "forward", "postprocess"),
    *("serialise", "total"),
]


def azure(*data: Any) -> dict[str, Any]:
    return {"input_data": {"columns": ["image"], "data": list(data)}}


def explained(algorithm: str = "guided_backprop", **parameters: Any) -> dict[str, Any]:
    xai = {"xai_algorithm": algorithm, **parameters}
    return {"image_base64": TEXT, "model_explainability": True, "xai_parameters": xai}


def error_of(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "image_index"]
    assert answer.headers["content-type"] == "application/json"
    return body["error"]


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"image_base64": TEXT}},
        {"json": azure(base64.encodebytes(IMAGE).decode())},
        {"content": json.dumps({"image_base64": TEXT})},  # no content type: taken for JSON
        {"content": IMAGE, "headers": {"Content-Type": "image/jpeg"}},
        {"content": IMAGE, "headers": {"Content-Type": "image/png"}},  # the bytes decide
    ],
)
def test_every_form_of_a_request_gets_the_same_answer(
    client: httpx.Client, request_: dict[str, Any]
) -> None:
    (expected,) = client.post("/score", json={"image_base64": TEXT}).json()
    answer = client.post("/score", **request_)
    assert answer.status_code == 200
    assert answer.json() == [expected]
    assert list(expected) == ["probs", "labels"]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF"])
def test_every_format_is_served_as_raw_bytes(client: httpx.Client, kind: str) -> None:
    image = encoded(0, kind=kind)
    headers = {"Content-Type": f"image/{kind.lower()}"}
    assert client.post("/score", content=image, headers=headers).status_code == 200


def test_no_images_get_no_answers(client: httpx.Client) -> None:
    assert client.post("/score", json=azure()).json() == []


def test_headers_tell_model_request_and_times(tag_and_server: tuple[str, Server]) -> None:
    tag, server = tag_and_server
    with server.client() as client:
        answer = client.post(
            "/score", json={"image_base64": TEXT}, headers={"X-Request-Id": "abc-1"}
        )
    assert answer.headers["x-model"] == tag
    assert answer.headers["x-request-id"] == "abc-1"
    timing = answer.headers["server-timing"]
    assert re.findall(r"(\w+);dur=\d+\.\d\d", timing) == STAGES


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 200, "ü"])
def test_a_request_id_is_made_where_none_is_usable(client: httpx.Client, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given.encode()}
    answers = [client.get("/livez", headers=headers) for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)
    assert ids[0] != ids[1]


def post(content: bytes | str, kind: str = "application/json", **headers: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "url": "/score",
        "content": content,
        "headers": {"Content-Type": kind, **headers},
    }


def post_json(body: Any) -> dict[str, Any]:
    return post(json.dumps(body))


BAD_REQUESTS = [
    (post(""), 400, "bad_request", "the body is not valid JSON"),
    (post('{"image_base64": "'), 400, "bad_request", "line 1 column"),
    (post("[1]"), 400, "bad_request", "must be a JSON object, got list"),
    (post_json({}), 400, "bad_request", "image_base64 is missing"),
    (post_json({"image_base64": 1}), 400, "bad_request", "valid string, got 1"),
    (post_json({"image_base64": "?"}), 400, "bad_image", "not valid base64"),
    (post_json({"image_base64": ""}), 400, "bad_image", "empty"),
    (post_json({"image_base64": "AAAA"}), 400, "bad_image", ""),
    (post_json({"image_base64": TEXT[:1000]}), 400, "bad_image", ""),
    (post_json({"image_base64": TEXT, "settings": {"a": 1}}), 400, "bad_request", "settings"),
    (post_json(explained("lime")), 400, "bad_request", "xai_algorithm"),
    (post_json(explained(n_steps=1)), 400, "bad_request", "n_steps"),
    (post_json(explained(n_steps=501)), 400, "bad_request", "n_steps"),
    (post_json(explained(n_stepz=5)), 400, "bad_request", "did you mean 'n_steps'"),
    (post_json(azure(*[TEXT[:4]] * 65)), 413, "too_large", "at most 64 images"),
    (post_json({"input_data": {"columns": ["x"], "data": []}}), 400, "bad_request", "columns"),
    (post(b"", "image/png"), 400, "bad_image", "empty"),
    (post(b"GIF89a", "image/png"), 400, "bad_image", ""),
    (post(IMAGE[:500], "image/jpeg"), 400, "bad_image", ""),
    (post(PNG[:900], "image/png"), 400, "bad_image", ""),
    (post(HUGE, "image/png"), 413, "too_large", "8000×6300"),
    (post(encoded(0, kind="GIF"), "image/png"), 415, "unsupported_image", "GIF is not served"),
    (post(IMAGE, "image/gif"), 415, "unsupported_image", "'image/gif' is not served"),
    (post("x=1", "application/x-www-form-urlencoded"), 415, "unsupported_image", "allowed: app"),
    (post("x", **{"Content-Encoding": "gzip"}), 415, "unsupported_image", "'gzip'"),
    (post(b" " * 20_000_001), 413, "too_large", "limit of 20,000,000 bytes"),
    ({"method": "GET", "url": "/score"}, 405, "method_not_allowed", ""),
    ({"method": "POST", "url": "/info"}, 405, "method_not_allowed", ""),
    ({"method": "DELETE", "url": "/livez"}, 405, "method_not_allowed", "DELETE /livez"),
    ({"method": "GET", "url": "/scores"}, 404, "not_found", "GET /scores"),
    ({"method": "POST", "url": "/explain", "content": b"x"}, 404, "not_found", "POST /explain"),
]


@pytest.mark.parametrize(("request_", "status", "code", "text"), BAD_REQUESTS)
def test_bad_requests_get_one_shape_of_error(
    client: httpx.Client, request_: dict[str, Any], status: int, code: str, text: str
) -> None:
    answer = client.request(**request_)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (status, code), error
    assert text in error["message"]


def test_a_long_body_is_refused_before_it_is_sent(server: Server) -> None:
    with server.raw() as connection:
        connection.sendall(
            b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000000000000\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_long_body_of_unknown_length_is_refused_on_the_way(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(25):
            yield b" " * 1_000_000

    answer = client.post("/score", content=chunks())
    assert (answer.status_code, error_of(answer)["code"]) == (413, "too_large")


def test_bad_images_fail_alone_and_tell_their_index(client: httpx.Client) -> None:
    alone = client.post("/score", json=azure(TEXT)).json()
    answer = client.post("/score", json=azure("?", TEXT, "", json.dumps({"image": TEXT}), TEXT))
    assert answer.status_code == 200
    bodies = answer.json()
    assert [bodies[1]["labels"], bodies[4]["labels"]] == [["a", "b", "c"]] * 2
    for index in (1, 4):
        assert bodies[index]["probs"] == pytest.approx(alone[0]["probs"], abs=1e-5)
    failed = [bodies[index]["error"] for index in (0, 2, 3)]
    assert [error["image_index"] for error in failed] == [0, 2, 3]
    assert [error["code"] for error in failed] == ["bad_image", "bad_image", "bad_request"]


def test_a_request_whose_images_all_fail_has_the_first_ones_status(client: httpx.Client) -> None:
    gif = base64.b64encode(encoded(0, kind="GIF")).decode()
    answer = client.post("/score", json=azure(gif, "?"))
    assert answer.status_code == 415
    assert error_of(answer)["image_index"] == 0


def test_mixed_requests_at_once_equal_the_same_requests_alone(client: httpx.Client) -> None:
    images = [encoded(seed, size_wh=(40 + 30 * seed, 200)) for seed in range(12)]
    bodies: list[dict[str, Any]] = [
        {"content": image, "headers": {"Content-Type": "image/jpeg"}} for image in images
    ]
    bodies += [{"json": azure(base64.b64encode(image).decode(), "?")} for image in images]
    alone = [client.post("/score", **body).json() for body in bodies]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda body: client.post("/score", **body).json(), bodies))
    for one, other in zip(alone, together, strict=True):
        assert one[1:] == other[1:]
        assert one[0]["probs"] == pytest.approx(other[0]["probs"], abs=1e-5)


def test_a_full_queue_answers_429_with_the_time_to_wait(client: httpx.Client) -> None:
    large = base64.b64encode(encoded(1, size_wh=(1200, 900))).decode()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):  # a fast machine may need several tries until requests overlap
            sent = [pool.submit(client.post, "/score", json=azure(*[large] * 64)) for _ in "1234"]
            answers = [one.result() for one in sent]
            if refused := [answer for answer in answers if answer.status_code == 429]:
                break
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in refused:
        assert error_of(answer)["code"] == "overloaded"
        assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_scores_do_not_wait_for_explanations(client: httpx.Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(
            client.post, "/score", json=explained("integrated_gradients", n_steps=100)
        )
        for _ in range(5):
            assert client.post("/score", json={"image_base64": TEXT}).status_code == 200
        assert not slow.done()
        assert list(slow.result().json()[0]) == ["probs", "labels", "visualizations"]


def test_a_refused_explanation_leaves_the_scores(client: httpx.Client) -> None:
    request = json.dumps(explained("integrated_gradients", n_steps=50))
    bodies = client.post("/score", json=azure(*[request] * 4)).json()
    assert all(body["labels"] == ["a", "b", "c"] for body in bodies)
    refused = [body["explanation_error"] for body in bodies if "explanation_error" in body]
    assert len(refused) == 2  # one runs, one waits
    for error in refused:
        assert list(error) == ["code", "message"]
        assert error["code"] == "explanation_failed"


def test_info_tells_what_runs(tag_and_server: tuple[str, Server]) -> None:
    tag, server = tag_and_server
    info = httpx.get(f"{server.url}/info").json()
    assert (info["model"], info["task"], info["family"]) == (
        tag,
        "image_classification",
        "resnet18",
    )
    assert info["labels"] == ["a", "b", "c"]
    assert info["settings"] == {"valid_resize_size": 72, "valid_crop_size": 64}
    assert info["engine"] == {"name": "onnxruntime", "device": "cpu", "choice": None}
    assert info["limits"]["max_body_bytes"] == 20_000_000
    assert info["limits"]["max_queue"] == 64
    assert {"bentoml", "torch", "python"} <= set(info["versions"])


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/schema.json"])
def test_bentomls_own_routes_answer(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_the_document_describes_score_and_info(client: httpx.Client) -> None:
    document = client.get("/docs.json").json()
    assert {"/score", "/info", "/livez"} <= set(document["paths"])
    for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(document)):
        assert name in document["components"]["schemas"]
    forms = document["paths"]["/score"]["post"]["requestBody"]["content"]
    assert {"application/json", "image/jpeg"} <= set(forms)


def test_the_page_shows_the_document_and_loads_nothing_from_elsewhere(
    client: httpx.Client,
) -> None:
    page = client.get("/").text
    assert "//" not in page
    assets = re.findall(r'(?:src|href)="\./([^"]+)"', page)
    assert len(assets) == 5
    for asset in assets:
        assert client.get(f"/{asset}").status_code == 200
    assert "./docs.json" in client.get("/static_content/swagger-initializer.js").text


def test_the_log_has_no_traceback(server: Server) -> None:
    log = Path(server.log).read_text()
    assert "Traceback" not in log
