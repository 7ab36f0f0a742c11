from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engine import Engine, load_engine
from inference.engine.base import as_numpy
from inference.engine.compiled_lanes import check_compiling, threads_of_caller
from inference.errors import UsageError
from inference.model_folder import ModelFolder
from tests.model_folders import write_detector_folder, write_model_folder

SIDE = 32
THREADS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    path = tmp_path_factory.mktemp("model")
    return write_model_folder(path, image_size=SIDE, resize_size=36, crop_size=SIDE)


@pytest.fixture(scope="module")
def compiled(folder: ModelFolder) -> Engine:
    try:
        check_compiling(device="cpu")
    except UsageError as error:
        pytest.skip(str(error))
    return load_engine(folder, name="torch_compiled", device="cpu", threads=THREADS)


def crops(count: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def logits_of(engine: Engine, batch: np.ndarray) -> np.ndarray:
    (logits,) = engine(batch)
    return as_numpy(logits)


@pytest.mark.parametrize("side", [SIDE, 48])
def test_it_says_nearly_the_same_as_float32(
    folder: ModelFolder, compiled: Engine, side: int
) -> None:
    exact = load_engine(folder, name="torch", device="cpu")
    logits = logits_of(compiled, crops(3, side))
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - logits_of(exact, crops(3, side))).max() < 0.05


def test_images_of_several_threads_have_the_answers_of_one_batch(compiled: Engine) -> None:
    assert compiled.lanes == THREADS
    images = crops(24)
    expected = logits_of(compiled, images)
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda image: logits_of(compiled, image[None]), images))
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=1e-2)


def test_nothing_is_compiled_while_images_wait(
    compiled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("torch._inductor.compile")
    monkeypatch.delattr("torch._inductor.compile_fx.compile_fx")
    for count, side in ((1, SIDE), (5, SIDE), (1, 48), (3, 40)):
        assert logits_of(compiled, crops(count, side)).shape == (count, 3)


def test_what_cannot_be_compiled_is_told_in_a_line(
    folder: ModelFolder, compiled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("C++ compile error\na page\nx.cpp:1: fatal error: Python.h is missing\n")

    monkeypatch.setattr("torch._inductor.compile", fail)
    with pytest.raises(
        UsageError, match=r"cannot compile this network here \(x.cpp:1: fatal error: Python"
    ):
        load_engine(folder, name="torch_compiled", device="cpu")


def test_two_models_of_a_process_have_their_own_graphs(
    tmp_path: Path, folder: ModelFolder, compiled: Engine
) -> None:
    other = write_model_folder(tmp_path, image_size=SIDE, resize_size=36, crop_size=SIDE, seed=1)
    engines = [
        load_engine(other, name=name, device="cpu", threads=1)
        for name in ("torch", "torch_compiled")
    ]
    exact, found = (logits_of(engine, crops(1)) for engine in engines)
    np.testing.assert_allclose(found, exact, rtol=0, atol=0.05)
    assert np.abs(found - logits_of(compiled, crops(1))).max() > 0.1


def test_the_callers_number_of_threads_stays(folder: ModelFolder, compiled: Engine) -> None:
    with threads_of_caller(2):
        load_engine(folder, name="torch_compiled", device="cpu", threads=1)
        logits_of(compiled, crops(3))
        assert torch.get_num_threads() == 2


def test_detectors_are_refused(tmp_path_factory: pytest.TempPathFactory, compiled: Engine) -> None:
    folder = write_detector_folder(tmp_path_factory.mktemp("detector"), settings={})
    with pytest.raises(UsageError, match="'torch_compiled' is for classifiers; use"):
        load_engine(folder, name="torch_compiled", device="cpu")


def test_a_gpu_has_graphs_of_its_own() -> None:
    with pytest.raises(UsageError, match="is for CPUs; on a GPU use 'torch_bf16'"):
        check_compiling(device="cuda")


def test_a_compiler_that_is_not_there_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler; install g\+\+, or name another"):
        check_compiling(device="cpu")


def test_a_cpu_without_bfloat16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    with pytest.raises(UsageError, match="needs a CPU that computes in bfloat16"):
        check_compiling(device="cpu")
