"""Folder scoring from and to object storage, against a real S3 server."""

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from inference import storage
from inference.errors import UsageError
from inference.folder import Scorer
from inference.folder_plan import open_plan
from inference.folder_sources import RemoteImages, open_source
from inference.leases import Leases
from inference.part_merge import finish
from inference.part_store import open_parts
from inference.parts import PartWorker
from inference.predictor import Predictor
from inference.storage import is_remote, open_storage, steadily
from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.object_store import ObjectStore, object_store

LABELS = ("a", "b", "c")
OUTPUT = "s3://photos/scores/out.jsonl"


@pytest.fixture(scope="module")
def running() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture
def store(running: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    monkeypatch.setattr(storage, "FIRST_WAIT_S", 0.001)
    running.requests.clear()
    yield running
    running.fault = lambda method, path: None
    files = fsspec.filesystem("s3")
    files.invalidate_cache()
    for path in files.find("photos"):
        files.rm_file(path)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    model = write_model_folder(tmp_path_factory.mktemp("model"), onnx=True)
    with Predictor(model, engine="onnxruntime", device="cpu", max_batch=4) as predictor:
        yield Scorer(predictor)


def score(source: str, output: str, scorer: Scorer) -> int:
    parts, images = open_parts(output), open_source(source)
    plan = open_plan(parts, images, labels=LABELS, workers=2)
    lines: list[bool] = []
    leases = Leases(parts, seconds=5)
    PartWorker(parts, plan, images, scorer, leases, lines.append).run()
    finish(plan, parts, leases)
    return len(lines)


def read(path: str) -> list[str]:
    text = fsspec.filesystem("s3").cat_file(path).decode()
    return [json.loads(line)["filename"] for line in text.splitlines()]


def listed(prefix: str) -> list[str]:
    files = fsspec.filesystem("s3")
    files.invalidate_cache()
    return sorted(files.find(prefix))


def test_a_prefix_is_scored_into_an_object_and_goes_on(store: ObjectStore, scorer: Scorer) -> None:
    names = [f"in/{i:02}.jpg" for i in range(18)] + ["in/b/x.png"]
    for name in names:
        store.put(name, encoded(kind="PNG" if name.endswith("png") else "JPEG"))
    store.put("in/notes.txt", b"")
    store.put("in/07.jpg", b"no image")
    assert score("s3://photos/in", OUTPUT, scorer) == 19
    assert read("photos/scores/out.jsonl") == [n[3:] for n in names if n != "in/07.jpg"]
    assert read("photos/scores/errors.jsonl") == ["07.jpg"]
    assert listed("photos/scores") == ["photos/scores/errors.jsonl", "photos/scores/out.jsonl"]
    store.put("in/07.jpg", encoded())
    assert score("s3://photos/in/", OUTPUT, scorer) == 1
    assert read("photos/scores/out.jsonl") == [n[3:] for n in names]
    assert listed("photos/scores") == ["photos/scores/out.jsonl"]


def test_an_image_is_one_request(store: ObjectStore) -> None:
    store.put("in/0.jpg", b"data")
    (image,) = open_source("s3://photos/in").images(["0.jpg"])
    assert not isinstance(image, bytes)
    assert image.read_bytes() == b"data"
    assert store.requests == [("GET", "/photos/in/0.jpg")]


def test_one_object_is_a_source(store: ObjectStore, scorer: Scorer, tmp_path: Path) -> None:
    store.put("one.jpg", encoded())
    assert score("s3://photos/one.jpg", str(tmp_path / "out.jsonl"), scorer) == 1
    assert json.loads((tmp_path / "out.jsonl").read_text())["filename"] == "one.jpg"


def test_a_lease_is_a_conditional_put(store: ObjectStore) -> None:
    first, second = Leases(open_parts(OUTPUT)), Leases(open_parts(OUTPUT))
    assert first.acquire("1.lease")
    assert not second.acquire("1.lease")
    first.release("1.lease")
    assert second.acquire("1.lease")


def test_a_hiccup_is_tried_again(store: ObjectStore, scorer: Scorer, tmp_path: Path) -> None:
    store.put("in/0.jpg", encoded())
    left = ["503 Slow Down", "500 Oops", "cut"]
    store.fault = lambda method, path: left.pop() if left and path.endswith("0.jpg") else None
    assert score("s3://photos/in", str(tmp_path / "out.jsonl"), scorer) == 1
    assert not left
    assert (tmp_path / "out.jsonl").exists()


def test_an_image_that_cannot_be_had_fails_alone(
    store: ObjectStore, scorer: Scorer, tmp_path: Path
) -> None:
    for i in range(3):
        store.put(f"in/{i}.jpg", encoded())
    store.fault = lambda method, path: "503 Slow Down" if path.endswith("1.jpg") else None
    score("s3://photos/in", str(tmp_path / "out.jsonl"), scorer)
    (error,) = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert error["filename"] == "1.jpg"
    assert error["error"]["code"] == "unreadable_file"
    assert "s3://photos/in (1.jpg) cannot be read" in error["error"]["message"]
    assert "tried 5 times" in error["error"]["message"]


def test_images_that_wait_to_be_read_are_read_when_all_have_been_given_out(
    store: ObjectStore,
) -> None:
    names = [f"{i:02d}.jpg" for i in range(40)]  # more than are read at a time
    for name in names:
        store.put(f"in/{name}", name.encode())
    images = list(RemoteImages("s3://photos/in").images(names))
    assert [image.read_bytes() for image in images] == [name.encode() for name in names]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gs://bucket/x", r"gs:// needs the package gcsfs: pip install gcsfs"),
        ("abfs://c@account/x", r"abfs:// needs the package adlfs"),
        ("wasbs://c@account/x", r"wasbs:// needs the package adlfs"),
        ("s4://bucket/x", r"unknown scheme 's4' .allowed: abfs"),
    ],
)
def test_a_missing_package_is_named(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_storage(url)


def test_refused_access_says_what_to_do(store: ObjectStore) -> None:
    store.fault = lambda method, path: "403 Forbidden"
    with pytest.raises(UsageError, match=r"access refused .*give credentials"):
        open_source("s3://photos/in").names()
    assert len(store.requests) < 4  # it is not tried again and again


def test_missing_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(UsageError, match=r"s3://photos/x: access refused .*credentials"):
        open_source("s3://photos/x").names()
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://nowhere/in", "s3://nowhere/in does not exist"),
        ("s3://photos/empty", "holds no object"),
    ],
)
def test_a_wrong_address_is_named(store: ObjectStore, address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(address).names()


def test_a_web_server_is_no_output() -> None:
    with pytest.raises(UsageError, match="cannot be written to"):
        open_parts("https://host/out.jsonl")


@pytest.mark.parametrize(
    ("address", "expected"),
    [("photos", False), ("/a/b", False), ("file:///a", False), ("s3://b/c", True), ("C:/x", False)],
)
def test_what_is_remote(address: str, expected: bool) -> None:
    assert is_remote(address) == expected


def test_steadily_gives_up_at_once_where_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def absent() -> None:
        calls.append(1)
        raise FileNotFoundError("x")

    with pytest.raises(FileNotFoundError):
        steadily(absent, url="s3://b/x")
    assert len(calls) == 1
