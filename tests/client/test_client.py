"""How the client asks: forms of images, connections, order. The server follows a script."""

import ast
import asyncio
import base64
import itertools
import json
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from client import (
    AsyncClient,
    Client,
    ClientError,
    ServerSaid,
    TimedOut,
    Unreadable,
)
from tests.client.scripted import RESULT, Answer, asking, refusal, scripted
from tests.inference.images import encoded

JPEG, PNG = encoded(0), encoded(0, kind="PNG")
TEXT = base64.encodebytes(JPEG).decode()
ROOT = Path(__file__).parents[2]
GOOD = Answer()


@pytest.mark.parametrize(
    ("image", "kind", "body"),
    [
        (JPEG, "image/jpeg", JPEG),
        (PNG, "image/png", PNG),
        (encoded(0, kind="WEBP"), "image/webp", encoded(0, kind="WEBP")),
        (TEXT, "image/jpeg", JPEG),
        ("photo.jpg", "image/jpeg", JPEG),
        (Path("photo.jpg"), "image/jpeg", JPEG),
    ],
)
def test_an_image_alone_goes_as_its_bytes(
    image: Any, kind: str, body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photo.jpg").write_bytes(JPEG)
    monkeypatch.chdir(tmp_path)
    with asking([GOOD], "secret") as (client, server):
        assert client.score(image) == RESULT
    (asked,) = server.asked
    assert (asked.path, asked.body, asked.headers["Content-Type"]) == ("/score", body, kind)
    assert asked.headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
def test_an_image_of_pillow_goes_without_loss(mode: str) -> None:
    picture = Image.open(BytesIO(PNG)).convert(mode)
    with asking([GOOD]) as (client, server):
        client.score(picture)
    sent = Image.open(BytesIO(server.asked[0].body))
    assert sent.convert("RGB").tobytes() == picture.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"settings": {"img_size": 64}}, {"settings": {"img_size": 64}}),
        ({"explain": True}, {"model_explainability": True}),
        (
            {"explain": "xrai"},
            {"model_explainability": True, "xai_parameters": {"xai_algorithm": "xrai"}},
        ),
        (
            {"explain": {"n_steps": 9}},
            {"model_explainability": True, "xai_parameters": {"n_steps": 9}},
        ),
    ],
)
def test_whatever_else_is_asked_goes_as_json(options: Any, more: Any) -> None:
    with asking([GOOD]) as (client, server):
        client.score(JPEG, **options)
    text = base64.b64encode(JPEG).decode()
    assert json.loads(server.asked[0].body) == {"image_base64": text, **more}


def test_a_connection_serves_one_call_after_another() -> None:
    with asking([GOOD]) as (client, server):
        for _ in range(5):
            client.score(JPEG)
    assert len({asked.port for asked in server.asked}) == 1


def test_concurrent_calls_need_a_connection_each_and_no_more() -> None:
    with asking([Answer(after_s=0.01)]) as (client, server):
        assert len(list(client.score_many([JPEG] * 24, concurrency=4))) == 24
        assert len(list(client.score_many([JPEG] * 24, concurrency=4))) == 24
    assert len({asked.port for asked in server.asked}) <= 4


def test_a_connection_that_the_server_closed_while_idle_costs_no_retry() -> None:
    closing = Answer(headers={"Connection": "keep-alive"})
    with asking([closing, Answer(hang_up=True), GOOD], retries=0) as (client, server):
        client.score(JPEG)
        assert client.score(JPEG) == RESULT
    assert len(server.asked) == 3


def numbered(turn: int) -> tuple[bytes, Answer]:
    """An image and its answer; earlier ones take longer."""
    body = json.dumps([{"probs": [turn], "labels": ["a"]}]).encode()
    return str(turn).encode(), Answer(body=body, after_s=0.03 * (3 - turn % 4))


def test_many_keep_their_order_and_a_bad_one_fails_alone() -> None:
    script = dict(numbered(turn) for turn in range(12))
    script[b"5"] = refusal(400, "bad_image")
    images: list[Any] = [*script, "no such file.jpg"]
    with asking(script) as (client, _):
        results = list(client.score_many(images, concurrency=4))
    assert isinstance(results[12], Unreadable)
    assert "no such file.jpg cannot be read: No such file" in str(results[12])
    assert isinstance(results[5], ServerSaid)
    found = [result["probs"][0] for result in results if isinstance(result, dict)]
    assert found == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


def test_many_take_no_more_images_than_they_work_on() -> None:
    taken = itertools.count()

    def endless() -> Iterator[bytes]:
        while True:
            next(taken)
            yield JPEG

    with asking([GOOD]) as (client, _):
        results = client.score_many(endless(), concurrency=2)
        for _ in range(10):
            assert next(results) == RESULT
        results.close()
    assert next(taken) <= 10 + 4


def test_what_would_meet_every_image_is_raised() -> None:
    with (
        asking([refusal(401, "unauthorized")]) as (client, server),
        pytest.raises(ServerSaid, match="unauthorized"),
    ):
        list(client.score_many([JPEG] * 100, concurrency=2))
    assert len(server.asked) <= 6


def test_ready_is_waited_for() -> None:
    with asking([Answer(503), Answer(503), GOOD]) as (client, server):
        client.wait_until_ready(5)
        assert [asked.path for asked in server.asked] == ["/readyz"] * 3
    with pytest.raises(TimedOut, match=r"was not ready within 0\.2 s: .*refused"):
        Client("http://127.0.0.1:9").wait_until_ready(0.2)


def test_async_does_the_same() -> None:
    script = dict(numbered(turn) for turn in range(6))
    script[b"2"] = refusal(400, "bad_image")
    images = list(script)

    async def ask(url: str) -> list[Any]:
        async with AsyncClient(url) as client:
            await client.wait_until_ready()
            alone = await asyncio.gather(client.score(b"0"), client.score(b"1"))
            return [*alone, *[one async for one in client.score_many(images, concurrency=3)]]

    with scripted({**script, b"": GOOD}) as server:  # without a body: /readyz
        results = asyncio.run(ask(server.url))
    found = [None if isinstance(one, ClientError) else one["probs"][0] for one in results]
    assert found == [0, 1, 0, 1, None, 3, 4, 5]


def test_a_cancelled_task_leaves_a_client_that_works() -> None:
    async def ask(url: str) -> Any:
        async with AsyncClient(url) as client:

            async def endless() -> None:
                async for _ in client.score_many(itertools.repeat(JPEG), concurrency=2):
                    pass

            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(endless(), 0.3)
            return await client.score(JPEG)

    with scripted([Answer(after_s=0.05)]) as server:
        assert asyncio.run(ask(server.url)) == RESULT
        asked = len(server.asked)
        time.sleep(0.3)
        assert len(server.asked) <= asked + 4


@pytest.mark.parametrize("url", ["ftp://x", "http://", "nonsense://x", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be like http"):
        Client(url)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(TypeError, match="got int"):
        Client("127.0.0.1").score(3)


def test_the_file_needs_no_newer_python_than_it_says() -> None:
    source = (ROOT / "client.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))
