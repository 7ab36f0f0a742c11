"""client.py against the real server, and every Python example of the pages about asking."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from client import Client, ServerSaid, attributions, labels, pictures
from tests.inference.images import encoded
from tests.service.servers import ROOT, Server

_FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    (page, number, source)
    for page in ("docs/client.md", "docs/migration.md")
    for number, source in enumerate(_FENCE.findall((ROOT / page).read_text(encoding="utf-8")))
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the photos that the examples name."""
    (tmp_path / "photos").mkdir()
    for path in ("photo.jpg", "photos/a.jpg", "photos/b.jpg"):
        (tmp_path / path).write_bytes(encoded(len(path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_have_their_examples() -> None:
    assert len(EXAMPLES) == 8


@pytest.mark.parametrize(("page", "number", "source"), EXAMPLES)
def test_an_example_of_a_page_runs(
    page: str, number: int, source: str, server: Server, folder: Path
) -> None:
    code = compile(source.replace("http://localhost:3000", server.url), f"{page} {number}", "exec")
    before = set(folder.iterdir())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    said = printed.getvalue()
    assert said or set(folder.iterdir()) > before
    assert "no server" not in said
    assert "not enough" not in said


def test_every_form_gets_the_same_scores(server: Server) -> None:
    with Client(server.url) as client:
        client.wait_until_ready()
        plain = client.score(encoded(0))
        explained = client.score(encoded(0), explain="gradcam")
        many = list(client.score_many([encoded(0)] * 20, concurrency=4))
    assert many == [plain] * 20
    assert {name: explained[name] for name in plain} == plain
    assert [label for label, _ in labels(plain)] != []
    (picture,) = pictures(explained)
    assert picture is not None
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("encoding", ["list", "npy_f16"])
def test_attributions_have_the_shape_of_the_crop(server: Server, encoding: str) -> None:
    wanted = {"xai_algorithm": "gradcam", "attributions": True, "attributions_encoding": encoding}
    with Client(server.url) as client:
        numbers = attributions(client.score(encoded(0), explain=wanted))
    assert (len(numbers), len(numbers[0]), len(numbers[0][0])) == (3, 64, 64)


@pytest.mark.parametrize(
    ("image", "status", "code"),
    [(b"", 400, "bad_image"), (encoded(0, kind="GIF"), 415, "unsupported_image")],
)
def test_the_servers_words_reach_the_caller(
    server: Server, image: bytes, status: int, code: str
) -> None:
    with Client(server.url) as client, pytest.raises(ServerSaid) as raised:
        client.score(image)
    assert (raised.value.status, raised.value.code) == (status, code)
    assert raised.value.request_id


def test_a_body_over_the_limit_is_refused_and_not_unreachable(server: Server) -> None:
    with Client(server.url) as client, pytest.raises(ServerSaid, match="limit of 20,000,000"):
        client.score(bytes(25_000_000))
