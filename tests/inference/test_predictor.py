import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.engine import load_engine
from inference.engine.base import as_numpy
from inference.errors import BadImage, DeadlineExceeded, DeviceLost, Overloaded, UsageError
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.predictor import Load, Prediction, Predictor
from inference.preprocess import resize_and_crop
from inference.settings import ClassificationSettings
from inference.types import Task, probabilities
from tests.inference.images import encoded
from tests.model_folders import write_model_folder

IMAGES = [encoded(seed, size_wh=(60 + 20 * seed, 90)) for seed in range(10)]
WAIT_S = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def predictor(folder: ModelFolder) -> Iterator[Predictor]:
    with Predictor(folder, device="cpu", max_batch=4, max_queue=16) as predictor:
        yield predictor


def test_no_images_give_no_scores(predictor: Predictor) -> None:
    assert predictor.score_all([]) == []


def test_a_batch_of_n_equals_n_singles(predictor: Predictor) -> None:
    together = predictor.score_all(IMAGES)
    alone = [predictor.score_all([image])[0] for image in IMAGES]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.probs, other.probs, rtol=0, atol=1e-5)
        assert one.labels == other.labels == ("a", "b", "c")


def test_scores_are_those_of_the_steps_one_by_one(
    folder: ModelFolder, predictor: Predictor
) -> None:
    crop = resize_and_crop(decode_image(IMAGES[0]), resize_size=72, crop_size=64)
    (logits,) = load_engine(folder, device="cpu")(crop[None])
    expected = probabilities(as_numpy(logits), Task.CLASSIFICATION)[0]
    np.testing.assert_allclose(predictor.score_all(IMAGES[:1])[0].probs, expected, atol=1e-6)


def test_a_multilabel_model_gives_one_probability_per_label(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path, task=Task.MULTILABEL)
    with Predictor(folder, device="cpu") as predictor:
        (scores,) = predictor.score_all(IMAGES[:1])
    assert ((scores.probs > 0) & (scores.probs < 1)).all()
    assert not np.isclose(scores.probs.sum(), 1.0)


def test_one_bad_image_fails_alone(predictor: Predictor) -> None:
    good, bad, empty = predictor.submit([IMAGES[0], b"no image", b""])
    assert good.result(WAIT_S).value.probs.shape == (3,)
    for future in (bad, empty):
        with pytest.raises(BadImage):
            future.result(WAIT_S)


def test_files_are_read_and_missing_ones_fail_alone(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(IMAGES[0])
    there, missing = predictor.submit([path, tmp_path / "missing.jpg"])
    expected = predictor.score_all(IMAGES[:1])[0].probs
    np.testing.assert_allclose(there.result(WAIT_S).value.probs, expected, atol=1e-6)
    with pytest.raises(FileNotFoundError):
        missing.result(WAIT_S)


def test_requests_of_one_event_loop_are_scored_side_by_side(predictor: Predictor) -> None:
    async def all_at_once() -> list[Prediction]:
        return await asyncio.gather(*(predictor.score(image) for image in IMAGES))

    done = asyncio.run(all_at_once())
    for one, other in zip(done, predictor.score_all(IMAGES), strict=True):
        np.testing.assert_allclose(one.value.probs, other.probs, rtol=0, atol=1e-5)
        assert 1 <= one.batch_size <= 4


def test_the_stage_times_add_up_to_the_time_from_admission_to_result(predictor: Predictor) -> None:
    begin = time.perf_counter()
    (future,) = predictor.submit(IMAGES[:1])
    done = future.result(WAIT_S)
    total_s = time.perf_counter() - begin
    assert list(done.stages_s) == ["decode", "preprocess", "queue", "forward", "postprocess"]
    assert min(done.stages_s.values()) >= 0
    assert done.stages_s["decode"] > 0
    assert done.stages_s["forward"] > 0
    assert 0.5 * total_s - 0.01 < sum(done.stages_s.values()) <= total_s


def test_load_is_zero_when_all_is_done(predictor: Predictor) -> None:
    futures = predictor.submit(IMAGES)
    assert 0 <= predictor.load().queued <= len(IMAGES)
    wait(futures)
    assert predictor.load() == Load(0, 0.0)


def test_an_image_that_is_late_is_dropped(predictor: Predictor) -> None:
    late, in_time = predictor.submit(IMAGES[:1], deadline_s=0.0) + predictor.submit(IMAGES[1:2])
    with pytest.raises(DeadlineExceeded):
        late.result(WAIT_S)
    assert in_time.result(WAIT_S).value.probs.shape == (3,)


def test_cancelled_images_free_their_places(predictor: Predictor) -> None:
    for _ in range(5):
        for future in predictor.submit(IMAGES):
            future.cancel()
    wait(predictor.submit(IMAGES))
    assert predictor.load() == Load(0, 0.0)


def test_no_pixels_are_in_use_when_all_is_done(predictor: Predictor) -> None:
    futures = predictor.submit([*IMAGES, b"no image"])
    futures[3].cancel()
    wait(futures)
    predictor.score_all(IMAGES[:1])
    assert predictor._pixel_bytes.used == 0


def test_a_stream_waits_for_room_where_a_request_is_refused(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.predictor._ENCODED_BYTES", len(IMAGES[0]) + 1)
    monkeypatch.setattr("inference.predictor._PIXEL_BYTES", 1)
    with Predictor(folder, device="cpu", max_batch=2, decode_threads=1) as small:
        assert len(small.score_all(IMAGES)) == len(IMAGES)


class Broken:
    def guard(self, compute: Callable[[], object]) -> None:
        raise DeviceLost("CUDA error: an illegal memory access was encountered")


def test_a_lost_device_is_said_once_and_to_everyone(folder: ModelFolder) -> None:
    calls: list[str] = []
    told = threading.Event()

    def on_device_lost() -> None:
        calls.append("lost")
        told.set()

    with Predictor(folder, device="cpu", on_device_lost=on_device_lost) as predictor:
        predictor._pipeline.engine = Broken()
        for future in predictor.submit(IMAGES):
            with pytest.raises(DeviceLost, match="illegal memory access"):
                future.result(WAIT_S)
        assert told.wait(WAIT_S)
        with pytest.raises(DeviceLost, match="illegal memory access"):
            predictor.submit(IMAGES)
        assert predictor.load() == Load(0, 0.0)
    assert calls == ["lost"]


def test_more_than_the_queue_holds_is_refused_whole(predictor: Predictor) -> None:
    with pytest.raises(Overloaded, match="no room for 17 more"):
        predictor.submit(IMAGES[:1] * 17)
    assert len(predictor.score_all(IMAGES[:2])) == 2


def test_a_stream_of_any_length_is_read_ahead_only_so_far(predictor: Predictor) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield IMAGES[0]

    stream = predictor.stream(endless())
    for _ in range(5):
        next(stream)
    assert taken <= 5 + predictor.max_queue


def test_a_queue_of_one_streams_without_refusal(folder: ModelFolder) -> None:
    with Predictor(folder, device="cpu", max_batch=1, max_queue=1) as narrow:
        assert len(narrow.score_all([*IMAGES, *IMAGES])) == 20


def test_other_settings_compute_something_else(folder: ModelFolder, predictor: Predictor) -> None:
    wider = ClassificationSettings(valid_resize_size=128, valid_crop_size=64)
    with Predictor(replace(folder, settings=wider), device="cpu") as other:
        difference = other.score_all(IMAGES[:1])[0].probs - predictor.score_all(IMAGES[:1])[0].probs
    assert np.abs(difference).max() > 1e-5


def test_a_batch_larger_than_the_queue_is_a_mistake(folder: ModelFolder) -> None:
    with pytest.raises(UsageError, match=r"max_batch must be in 1…max_queue \(4\), got 8"):
        Predictor(folder, device="cpu", max_batch=8, max_queue=4)
