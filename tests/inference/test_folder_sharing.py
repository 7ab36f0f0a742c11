"""A folder shared by processes: whatever dies, every image has exactly one line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference.__main__ import app
from inference.errors import UsageError
from inference.folder import ERRORS_FILE, Scorer
from inference.folder_plan import Plan, open_plan, part_size_for
from inference.folder_sources import LocalFile, LocalFolder, open_source
from inference.folder_workers import Share, shares
from inference.leases import Leases
from inference.model_folder import ModelFolder
from inference.part_merge import finish
from inference.part_store import LocalParts
from inference.parts import PartWorker
from inference.predictor import Predictor
from tests.inference.images import encoded
from tests.model_folders import write_model_folder

ROOT = Path(__file__).parents[2]
LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model_folder(tmp_path_factory.mktemp("model"), onnx=True)


@pytest.fixture(scope="module")
def scorer(model: ModelFolder) -> Iterator[Scorer]:
    with Predictor(model, engine="onnxruntime", device="cpu", max_batch=4) as predictor:
        yield Scorer(predictor)


def photos(folder: Path, count: int, size_wh: tuple[int, int] = (64, 48)) -> Path:
    folder.mkdir()
    first = folder / "0000.jpg"
    first.write_bytes(encoded(size_wh=size_wh))
    for i in range(1, count):
        os.link(first, folder / f"{i:04}.jpg")
    return folder


def names_in(path: Path) -> list[str]:
    return [json.loads(line)["filename"] for line in path.read_text().splitlines()]


def line(name: str) -> str:
    return json.dumps({"filename": name, "probs": [1, 0, 0], "labels": LABELS}) + "\n"


class Shared:
    """One process's view of a run: its store, its plan and its worker."""

    def __init__(self, source: LocalFolder, output: Path, scorer: Scorer) -> None:
        self.store = LocalParts(output)
        self.plan = open_plan(self.store, source, labels=LABELS, workers=2)
        self.leases = Leases(self.store, seconds=1)
        self.failed: list[bool] = []
        self.worker = PartWorker(
            self.store, self.plan, source, scorer, self.leases, self.failed.append
        )

    def finish(self) -> None:
        self.worker.run()
        finish(self.plan, self.store, self.leases)


@pytest.mark.parametrize(
    ("images", "workers", "size", "count"),
    [
        (1, 1, 16, 1),
        (200, 2, 16, 13),
        (1000, 2, 63, 16),
        (20_000, 2, 1024, 20),
        (20_000_000, 8, 2000, 10_000),
    ],
)
def test_parts_are_small_enough_to_share_and_few_enough_to_list(images, workers, size, count):
    assert part_size_for(images, workers=workers) == size
    assert Plan("x", LABELS, ("",) * images, size, 0).count == count


def test_a_run_ends_like_a_run_alone_and_leaves_nothing_else(tmp_path, scorer):
    folder = photos(tmp_path / "photos", 40)
    (folder / "0007.jpg").unlink()
    (folder / "0007.jpg").write_bytes(b"")
    shared = Shared(LocalFolder(folder), tmp_path / "out.jsonl", scorer)
    shared.finish()
    assert names_in(tmp_path / "out.jsonl") == [f"{i:04}.jpg" for i in range(40) if i != 7]
    assert names_in(tmp_path / ERRORS_FILE) == ["0007.jpg"]
    assert (shared.failed.count(False), shared.failed.count(True)) == (39, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ERRORS_FILE, "out.jsonl", "photos"]


def test_what_the_output_has_is_not_scored_again_and_the_order_is_that_of_names(tmp_path, scorer):
    folder, output = photos(tmp_path / "photos", 20), tmp_path / "out.jsonl"
    output.write_text(line("0013.jpg") + line("0002.jpg"))
    (tmp_path / ERRORS_FILE).write_text('{"filename": "0001.jpg", "error": {}}\n')
    shared = Shared(LocalFolder(folder), output, scorer)
    shared.finish()
    assert len(shared.failed) == 18
    assert names_in(output) == [f"{i:04}.jpg" for i in range(20)]
    assert line("0013.jpg") in output.read_text()
    assert not (tmp_path / ERRORS_FILE).exists()


def test_whoever_comes_later_joins_the_plan(tmp_path, scorer):
    folder, output = photos(tmp_path / "photos", 40), tmp_path / "out.jsonl"
    first = Shared(LocalFolder(folder), output, scorer)
    os.link(folder / "0000.jpg", folder / "late.jpg")
    second = Shared(LocalFolder(folder), output, scorer)
    assert second.plan == first.plan
    second.worker.run()
    first.finish()
    assert first.failed == []
    second.finish()  # nothing is left of the plan: it has nothing to do
    assert names_in(output) == [f"{i:04}.jpg" for i in range(40)]


def test_another_model_does_not_join(tmp_path, scorer):
    folder = LocalFolder(photos(tmp_path / "photos", 2))
    store = LocalParts(tmp_path / "out.jsonl")
    open_plan(store, folder, labels=LABELS, workers=1)
    with pytest.raises(UsageError, match="another model, with labels a, b, c"):
        open_plan(store, folder, labels=("x", "y"), workers=1)


@pytest.mark.parametrize("torn", ["", '{"filename": "00', line("other.jpg")])
def test_a_part_goes_on_where_its_owner_died(tmp_path, scorer, torn):
    folder, output = photos(tmp_path / "photos", 16), tmp_path / "out.jsonl"
    shared = Shared(LocalFolder(folder), output, scorer)
    left = shared.store.draft(f"{shared.plan.stem(0)}.deadbeef.draft")
    left.write_text(line("0000.jpg") + line("0001.jpg") + torn)
    shared.finish()
    assert len(shared.failed) == 14
    assert names_in(output) == [f"{i:04}.jpg" for i in range(16)]


def test_one_taken_for_dead_who_comes_back_doubles_nothing(tmp_path, scorer):
    folder, output = photos(tmp_path / "photos", 20), tmp_path / "out.jsonl"
    slow = Shared(LocalFolder(folder), output, scorer)
    fast = Shared(LocalFolder(folder), output, scorer)
    slow.worker.run_one(0)
    fast.worker._score(0)  # both have scored the same part
    fast.finish()
    slow.worker.run_one(1)  # merged already
    assert names_in(output) == [f"{i:04}.jpg" for i in range(20)]
    assert not (tmp_path / "out.jsonl.parts").exists()


def test_a_silent_machines_part_is_taken_over(tmp_path, scorer):
    shared = Shared(LocalFolder(photos(tmp_path / "photos", 2)), tmp_path / "out.jsonl", scorer)
    shared.store.create(shared.plan.lease(0), b"another-machine/pid 1")
    begin = time.monotonic()
    shared.finish()
    assert 1 < time.monotonic() - begin < 20
    assert names_in(tmp_path / "out.jsonl") == ["0000.jpg", "0001.jpg"]


def test_cores_and_gpus_are_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4})
    assert shares(2, gpus=["0"]) == [Share((0, 2, 4), "0"), Share((1, 3), "0")]
    assert [share.gpu for share in shares(3, gpus=["4", "7"])] == ["4", "7", "4"]
    assert [share.cores for share in shares(7)] == [(0,), (1,), (2,), (3,), (4,), (0,), (1,)]


def test_one_image_is_a_source(tmp_path):
    (tmp_path / "one.jpg").touch()
    source = open_source(str(tmp_path / "one.jpg"))
    assert source == LocalFile(tmp_path / "one.jpg")
    assert source.names() == ["one.jpg"]


def command(photos: Path, model: ModelFolder, *options: str) -> list[str]:
    what = (str(photos), "--model", str(model.path))
    return [sys.executable, "-m", "inference", *what, "--device", "cpu", *options]


def start(photos: Path, model: ModelFolder, *options: str, cwd: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(photos, model, "--engine", "onnxruntime", *options),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """A shell's background jobs, this test run perhaps among them, are started deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def owner_of_a_lease(parts: Path) -> int:
    """Wait until a worker has a part and has begun it; return its process id."""
    for _ in range(12_000):
        for lease in parts.glob("0*.lease"):
            begun = [path.stat().st_size for path in parts.glob(f"{lease.stem}*.draft")]
            if begun and begun[0]:
                return int(lease.read_text().rpartition(" ")[2])
        time.sleep(0.005)
    raise AssertionError("nobody has begun a part after 60 s")


def test_a_killed_worker_costs_no_line(tmp_path, model):
    folder = photos(tmp_path / "photos", 200, (800, 600))
    process = start(folder, model, "--workers", "2", cwd=tmp_path)
    os.kill(owner_of_a_lease(tmp_path / "predictions.jsonl.parts"), signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert names_in(tmp_path / "predictions.jsonl") == [f"{i:04}.jpg" for i in range(200)]


def test_a_killed_command_is_finished_by_another(tmp_path, model):
    folder = photos(tmp_path / "photos", 60, (800, 600))
    first = start(folder, model, "--workers", "1", cwd=tmp_path)
    owner_of_a_lease(tmp_path / "predictions.jsonl.parts")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second = start(folder, model, cwd=tmp_path)  # joins without being told
    _, stderr = second.communicate(timeout=120)
    assert second.returncode == 0, stderr
    assert names_in(tmp_path / "predictions.jsonl") == [f"{i:04}.jpg" for i in range(60)]


def test_ctrl_c_keeps_what_is_done(tmp_path, model):
    folder = photos(tmp_path / "photos", 100, (800, 600))
    process = start(folder, model, "--workers", "1", cwd=tmp_path)
    owner_of_a_lease(tmp_path / "predictions.jsonl.parts")
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    drafts = list((tmp_path / "predictions.jsonl.parts").glob("*.draft"))
    assert sum(len(path.read_bytes()) for path in drafts) > 0
    assert "Traceback" not in stderr


def test_a_workers_mistake_is_one_line(tmp_path, model):
    folder = photos(tmp_path / "photos", 2)
    process = start(folder, model, "--workers", "2", "--engine", "tourch", cwd=tmp_path)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in stderr
    assert stderr.strip().splitlines()[-1].startswith("error: unknown engine 'tourch'")


@pytest.mark.slow
def test_ray_scores_the_parts(tmp_path, model):
    pytest.importorskip("ray")
    folder = photos(tmp_path / "photos", 40)
    (folder / "0003.jpg").unlink()
    (folder / "0003.jpg").write_bytes(b"")
    process = start(folder, model, "--workers", "1", "--launcher", "ray", cwd=tmp_path)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 1, stderr
    expected = [f"{i:04}.jpg" for i in range(40) if i != 3]
    assert names_in(tmp_path / "predictions.jsonl") == expected
    assert stderr.strip().splitlines()[-1].startswith("39 images scored into predictions.jsonl")


def test_an_unknown_launcher_is_named(tmp_path, model):
    result = CliRunner().invoke(app, [*command(tmp_path, model)[3:], "--launcher", "rai"])
    assert "unknown launcher 'rai'; did you mean 'ray'?" in str(result.exception)
