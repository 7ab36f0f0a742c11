"""The cache of remote images: whole entries, least recently used out, never over its limit."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference.errors import UsageError
from training.data.image_cache import ImageCache, image_cache

ROOT = Path(__file__).parents[3]


def content(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_size for p in folder.iterdir() if not p.name.startswith(".")}


def never() -> bytes:
    raise AssertionError("it is there already")


def test_what_was_read_is_not_fetched_again(tmp_path):
    cache = ImageCache(tmp_path / "cache", limit_bytes=100)
    assert cache.get("a", lambda: b"x" * 10) == b"x" * 10
    assert cache.get("a", never) == b"x" * 10


def test_the_least_recently_used_goes(tmp_path):
    cache = ImageCache(tmp_path, limit_bytes=35)
    for age, key in enumerate("abc"):
        cache.get(key, lambda: b"x" * 10)
        os.utime(tmp_path / key, (age, age))
    cache.get("a", never)
    cache.get("d", lambda: b"x" * 10)
    assert sorted(content(tmp_path)) == ["a", "c", "d"]


@pytest.mark.parametrize(("limit", "kept"), [(0, {}), (9, {}), (10, {"a": 10})])
def test_what_is_larger_than_the_cache_is_not_kept(tmp_path, limit, kept):
    cache = ImageCache(tmp_path, limit_bytes=limit)
    assert cache.get("a", lambda: b"x" * 10) == b"x" * 10
    assert content(tmp_path) == kept


def test_a_failed_fetch_leaves_nothing(tmp_path):
    cache = ImageCache(tmp_path / "cache", limit_bytes=100)
    with pytest.raises(OSError, match="gone"):
        cache.get("a", lambda: (_ for _ in ()).throw(OSError("gone")))
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_to_costs_speed_only(tmp_path):
    (tmp_path / "file").touch()
    cache = ImageCache(tmp_path / "file" / "cache", limit_bytes=100)
    with pytest.raises(NotADirectoryError):
        (tmp_path / "file" / "cache" / "a").read_bytes()
    assert cache.get("a", lambda: b"x") == b"x"


def test_entries_of_an_earlier_run_and_orphans_count(tmp_path):
    (tmp_path / "old").write_bytes(b"x" * 30)
    (tmp_path / ".dead.tmp").write_bytes(b"x" * 30)
    ImageCache(tmp_path, limit_bytes=35).get("new", lambda: b"x" * 10)
    assert content(tmp_path) == {"new": 10}
    assert not (tmp_path / ".dead.tmp").exists()


WRITER = """
import sys, random
from pathlib import Path
from training.data.image_cache import ImageCache
cache = ImageCache(Path(sys.argv[1]), limit_bytes=10_000)
rng = random.Random(int(sys.argv[2]))
for _ in range(400):
    key = rng.randrange(60)
    data = cache.get(f"k{key}", lambda: bytes([key]) * (100 + 10 * key))
    assert data == bytes([key]) * (100 + 10 * key)
"""


def test_processes_and_threads_stay_under_the_limit_together(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "cache")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(subprocess.run, [*command, str(i)], env=env) for i in range(3)]
        most = 0
        while not all(run.done() for run in runs):
            if (tmp_path / "cache").exists():
                most = max(most, sum(_sizes(tmp_path / "cache")))
    assert [run.result().returncode for run in runs] == [0, 0, 0]
    assert 5_000 < most <= 10_000


def _sizes(folder: Path) -> list[int]:
    sizes = []
    for path in folder.iterdir():
        try:
            sizes.append(path.stat().st_size if path.name != ".lock" else 0)
        except FileNotFoundError:
            continue
    return sizes


@pytest.mark.parametrize("given", ["many", "-1", "inf", "nan"])
def test_a_limit_that_is_no_size_is_named(monkeypatch, given):
    monkeypatch.setenv("SIGHTLINE_IMAGE_CACHE_GB", given)
    image_cache.cache_clear()
    with pytest.raises(UsageError, match=f"SIGHTLINE_IMAGE_CACHE_GB must be .* got '{given}'"):
        image_cache()
