import json
import logging
import math
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference.engine import ENGINES, EXACT_ENGINES
from inference.engine_choice import (
    TOLERANCE,
    VERDICTS_FILE,
    Candidate,
    Verdict,
    choose_engine,
    load_fastest,
)
from inference.errors import DeviceLost
from inference.model_folder import ModelFolder, open_model_folder
from inference.predictor import Predictor
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder, write_model_folder


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    path = tmp_path_factory.mktemp("model")
    return write_model_folder(path, image_size=32, resize_size=36, crop_size=32, onnx=True)


@pytest.fixture
def folder(template: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    """A fresh copy, for the two engines that every machine has."""
    for name in set(ENGINES) - set(EXACT_ENGINES):
        monkeypatch.delitem(ENGINES, name)
    return open_model_folder(shutil.copytree(template.path, tmp_path / "model"))


def pace(seconds: dict[int, float]) -> float:
    """Geometric mean of seconds per image."""
    return math.prod(s / size for size, s in seconds.items()) ** (1 / len(seconds))


def with_engine(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    monkeypatch.setitem(ENGINES, "other", ("tests.inference.fake_engines", function))


def trial(verdict: Verdict) -> str:
    (refused,) = [c.refused for c in verdict.candidates if c.engine == "other"]
    return str(refused)


def test_the_fastest_of_those_that_agree_is_taken(folder: ModelFolder) -> None:
    verdict = choose_engine(folder, device="cpu")
    right = {c.engine: pace(c.seconds) for c in verdict.candidates if c.refused is None}
    assert set(right) == set(EXACT_ENGINES)
    assert verdict.engine == min(right, key=right.__getitem__)
    for candidate in verdict.candidates:
        if candidate.refused is None:
            assert candidate.difference <= TOLERANCE
            assert sorted(candidate.seconds) == [1, 8]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("load_wrong", r"differs by .*, allowed 1e-02"),
        ("load_slow", "times slower"),
        ("load_missing", "not installed"),
    ],
)
def test_an_engine_is_refused_for_a_reason(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch, function: str, reason: str
) -> None:
    with_engine(monkeypatch, function)
    verdict = choose_engine(folder, device="cpu")
    assert verdict.engine != "other"
    assert re.search(reason, trial(verdict))
    assert "other refused" in str(verdict)


def test_an_engine_that_came_later_gets_its_trial(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_engine(folder, device="cpu")
    with_engine(monkeypatch, "load_wrong")
    assert "differs by" in trial(choose_engine(folder, device="cpu"))


def test_an_engine_that_has_lost_what_it_needs_is_replaced_by_the_next_best(
    folder: ModelFolder,
    monkeypatch: pytest.MonkeyPatch,
    listen: Callable[[str], list[logging.LogRecord]],
) -> None:
    heard = listen("inference.engine_choice")
    with_engine(monkeypatch, "load_refused")
    seconds = {"other": 0.01, "onnxruntime": 0.02, "torch": 0.03}
    tried = tuple(
        Candidate(engine=name, seconds={1: s}, difference=0.0) for name, s in seconds.items()
    )
    verdict = Verdict(engine="other", candidates=tried)
    monkeypatch.setattr("inference.engine_choice._try_all", lambda *_: verdict)
    found, pipeline = load_fastest(folder, device="cpu")
    assert (found, pipeline.engine.name) == (verdict, "onnxruntime")
    assert "its compiler is gone" in [record.getMessage() for record in heard][-1]


def test_a_device_that_dies_meanwhile_is_no_verdict(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_engine(monkeypatch, "load_on_a_dead_device")
    with pytest.raises(DeviceLost, match="fell off the bus"):
        choose_engine(folder, device="cpu")
    assert not (folder.path / VERDICTS_FILE).exists()


def test_a_verdict_is_kept_for_machines_of_its_kind(folder: ModelFolder) -> None:
    first = choose_engine(folder, device="cpu")
    assert choose_engine(folder, device="cpu") == first  # other timings would differ
    path = folder.path / VERDICTS_FILE
    ((machine, kept),) = json.loads(path.read_text()).items()
    path.write_text(json.dumps({"another machine": {**kept, "engine": "none"}}))
    assert choose_engine(folder, device="cpu").engine in ENGINES
    assert set(json.loads(path.read_text())) == {"another machine", machine}


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}'])
def test_a_damaged_file_of_verdicts_is_replaced(folder: ModelFolder, text: str) -> None:
    (folder.path / VERDICTS_FILE).write_text(text)
    verdict = choose_engine(folder, device="cpu")
    assert choose_engine(folder, device="cpu") == verdict


def test_the_predictor_runs_what_was_chosen_and_says_why(folder: ModelFolder) -> None:
    with Predictor(folder, engine="auto", device="cpu") as predictor:
        assert predictor.choice is not None
        assert predictor.engine.name == predictor.choice.engine
        assert len(predictor.score_all([encoded(0)])) == 1


@pytest.mark.slow
def test_detectors_have_a_choice_too(tmp_path: Path) -> None:
    folder = write_detector_folder(
        tmp_path, family="yolov5", options={"model_size": "nano"}, settings={}, onnx=True
    )
    verdict = choose_engine(folder, device="cpu")
    assert {c.engine for c in verdict.candidates if c.refused is None} >= {"torch", "onnxruntime"}


def test_of_several_workers_one_times_the_engines_and_all_choose_the_same(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[str] = []

    def slowly(folder: ModelFolder, device: str) -> Verdict:
        timed.append(device)
        time.sleep(0.3)
        tried = tuple(Candidate(engine=name) for name in ENGINES)
        return Verdict(engine=f"choice {len(timed)}", candidates=tried)

    monkeypatch.setattr("inference.engine_choice._try_all", slowly)
    with ThreadPoolExecutor(3) as pool:
        verdicts = list(pool.map(lambda _: choose_engine(folder, device="cpu"), range(3)))
    assert {verdict.engine for verdict in verdicts} == {"choice 1"}
    assert timed == ["cpu"]
