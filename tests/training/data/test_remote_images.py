"""Images in object storage, against a real S3 server: streamed, downloaded, and what goes wrong."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from inference import storage
from inference.errors import UsageError
from tests.object_store import ObjectStore, object_store
from training.data import image_download
from training.data.datasets import LabelledImages, build_loader
from training.data.image_cache import image_cache
from training.data.load import DataSplit, load_datasets
from training.data.remote_images import ImageUnavailable, RemoteImage
from training.data.split_files import read_split, write_split
from training.job import read_job


@pytest.fixture(scope="module")
def running() -> Iterator[ObjectStore]:
    with object_store() as store:
        for i in range(12):
            buffer = BytesIO()
            Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(buffer, "PNG")
            store.put(f"in/{i}.png", buffer.getvalue())
        yield store


@pytest.fixture
def store(running, tmp_path, monkeypatch) -> Iterator[ObjectStore]:
    monkeypatch.setattr(storage, "FIRST_WAIT_S", 0.001)
    monkeypatch.setenv("SIGHTLINE_IMAGE_CACHE", str(tmp_path / "cache"))
    image_cache.cache_clear()
    running.requests.clear()
    yield running
    running.fault = lambda method, path: None
    image_cache.cache_clear()


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(tmp_path: Path, *, stream: bool, rows: int = 12) -> DataSplit:
    table = [
        {"image_url": f"azureml://datastores/store/paths/{i}.png", "label": ("cat", "dog")[i % 2]}
        for i in range(rows)
    ]
    job = {
        "task": "image_classification",
        "training_data": str(write(tmp_path / "table.jsonl", table)),
        "datastores": {"store": "s3://photos/in"},
        "training_parameters": {"advanced_settings": json.dumps({"stream_image_files": stream})},
    }
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job))
    return load_datasets(read_job(tmp_path / "job.yml"), seed=1)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def test_streamed_images_are_read_once_and_then_come_from_the_cache(store, tmp_path):
    data = load(tmp_path, stream=True)
    assert Counter(store.gets()) == {f"/photos/in/{i}.png": 1 for i in range(12)}
    write_split(tmp_path / "train.jsonl", data.train.records)
    records = read_split(tmp_path / "train.jsonl")
    assert [record.image for record in records] == [record.image for record in data.train.records]
    store.requests.clear()
    dataset = LabelledImages(records, data.labels, transform=lambda rgb, *, seed: rgb, seed=0)
    keys = [(0, i) for i in range(len(records))]
    assert all(
        np.array_equal(together[0], dataset[key][0])
        for together, key in zip(dataset.__getitems__(keys), keys, strict=True)
    )
    assert store.requests == []


def test_a_changed_object_is_read_again(store, tmp_path):
    old = RemoteImage("s3://photos/in/0.png").versioned()
    assert old.read_bytes() == old.read_bytes()
    store.put("changing.png", b"1")
    first = RemoteImage("s3://photos/changing.png").versioned()
    assert first.read_bytes() == b"1"
    store.put("changing.png", b"2")
    assert first.versioned().read_bytes() == b"2"


def test_without_streaming_everything_is_downloaded_once(store, tmp_path):
    first = load(tmp_path, stream=False)
    images = [record.image for record in (*first.train.records, *first.validation.records)]
    assert all(isinstance(image, Path) for image in images)
    assert len(files_below(tmp_path / "cache" / "downloads")) == 12
    store.requests.clear()
    assert load(tmp_path, stream=False) == first
    assert store.gets() == []  # only asked whether anything has changed


def test_a_disk_that_is_too_small_is_seen_before_anything_is_written(store, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=2**30)
    monkeypatch.setattr(image_download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UsageError, match=r"12 images of 0.0 GB .* 1.1 GB are free .*stream_image"):
        load(tmp_path, stream=False)
    assert files_below(tmp_path / "cache") == []


@pytest.mark.parametrize("stream", [True, False])
def test_a_missing_object_is_dropped_and_named(store, tmp_path, stream):
    data = load(tmp_path, stream=stream, rows=13)
    (dropped,) = data.train.dropped
    assert dropped.reason == "the image s3://photos/in/12.png does not exist"


@pytest.mark.parametrize("stream", [True, False])
def test_hiccups_do_not_show(store, tmp_path, stream):
    seen: Counter[str] = Counter()

    def fault(method: str, path: str) -> str | None:
        seen[path] += 1
        if not path.endswith("png"):
            return None
        return {1: "503 Slow Down", 2: "500 Oops", 4: "cut"}.get(seen[path])

    store.fault = fault
    data = load(tmp_path, stream=stream)
    assert data.train.dropped == ()
    assert len(data.train.records) + len(data.validation.records) == 12


@pytest.mark.parametrize("stream", [True, False])
def test_an_image_that_cannot_be_had_is_named_and_no_half_file_stays(store, tmp_path, stream):
    store.fault = lambda method, path: "cut" if method == "GET" and path.endswith("3.png") else None
    with pytest.raises(
        ImageUnavailable, match=r"^image s3://photos/in/3.png cannot be read .*tried"
    ):
        load(tmp_path, stream=stream)
    files = files_below(tmp_path / "cache")
    assert all(path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in files)


def test_refused_access_is_one_line(store, tmp_path):
    store.fault = lambda method, path: "403 Forbidden"
    with pytest.raises(ImageUnavailable, match=r"access refused .*give credentials"):
        load(tmp_path, stream=True)


def test_a_data_worker_says_it_in_one_line_too(store, tmp_path, monkeypatch):
    data = load(tmp_path, stream=True)
    monkeypatch.setenv("SIGHTLINE_IMAGE_CACHE", str(tmp_path / "another"))
    image_cache.cache_clear()
    store.fault = lambda method, path: "503 Slow Down"
    dataset = LabelledImages(
        data.train.records, data.labels, transform=lambda rgb, *, seed: rgb, seed=0
    )
    loader = build_loader(dataset, batch_size=2, workers=1, shuffle_seed=None)
    with pytest.raises(ImageUnavailable) as caught:
        next(iter(loader))
    assert str(caught.value).startswith("image s3://photos/in/")
    assert "\n" not in str(caught.value)


def test_a_flag_that_is_none_is_named(tmp_path):
    table = write(tmp_path / "t.jsonl", [{"image_url": "s3://photos/0.png", "label": "cat"}])
    job = {
        "task": "image_classification",
        "training_data": str(table),
        "training_parameters": {"stream_image_files": "perhaps"},
    }
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job))
    with pytest.raises(UsageError, match="stream_image_files must be true or false, got 'perhaps'"):
        load_datasets(read_job(tmp_path / "job.yml"), seed=1)
