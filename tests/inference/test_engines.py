import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engine import EXACT_ENGINES, Engine, load_engine, resolve_device
from inference.engine.base import as_numpy, cores_of_quota
from inference.engine.torch_engine import TorchEngine
from inference.errors import DeviceLost, ModelFolderError, UsageError
from inference.model_folder import (
    ONNX_FILE,
    SETTINGS_FILE,
    ModelFolder,
    Preprocessing,
    open_model_folder,
)
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from inference.settings import ClassificationSettings, write_settings
from tests.model_folders import write_model_folder

IMAGENET = Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD)
FAMILIES = ("resnet18", "vits16r224")


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model_folder(
        tmp_path_factory.mktemp(request.param), family=request.param, onnx=True
    )


def crops(count: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def logits_of(engine: Engine, batch: np.ndarray) -> np.ndarray:
    (logits,) = engine(batch)
    return as_numpy(logits)


@pytest.mark.parametrize("name", EXACT_ENGINES)
def test_a_batch_of_n_equals_n_singles(folder: ModelFolder, name: str) -> None:
    engine = load_engine(folder, name=name, device="cpu")
    batch = crops(5)
    singles = np.concatenate([logits_of(engine, batch[i : i + 1]) for i in range(5)])
    assert singles.shape == (5, 3)
    np.testing.assert_allclose(logits_of(engine, batch), singles, rtol=0, atol=1e-5)


def test_engines_agree(folder: ModelFolder) -> None:
    engines = [load_engine(folder, name=name, device="cpu") for name in EXACT_ENGINES]
    logits = [logits_of(engine, crops(3)) for engine in engines]
    for other in logits[1:]:
        np.testing.assert_allclose(other, logits[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", EXACT_ENGINES)
def test_engines_say_what_they_are(folder: ModelFolder, name: str) -> None:
    engine = load_engine(folder, name=name, device="cpu")
    assert (engine.name, engine.device) == (name, "cpu")
    assert logits_of(engine, crops(1)).dtype == np.float32


@pytest.mark.parametrize("name", EXACT_ENGINES)
def test_another_crop_size_works_or_is_refused(
    folder: ModelFolder, name: str, tmp_path: Path
) -> None:
    changed = shutil.copytree(folder.path, tmp_path / "changed")
    settings = ClassificationSettings(valid_resize_size=112, valid_crop_size=96)
    write_settings(changed / SETTINGS_FILE, settings)
    if folder.facts.fixed_size:
        with pytest.raises(ModelFolderError, match=r"valid_crop_size must be 64.*vits.*, got 96"):
            open_model_folder(changed)
    else:
        engine = load_engine(open_model_folder(changed), name=name, device="cpu")
        assert logits_of(engine, crops(2, side=96)).shape == (2, 3)


class TooLarge(torch.nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_out_of_memory_is_told_without_holding_on_to_memory() -> None:
    engine = TorchEngine(TooLarge(), device="cpu", preprocessing=IMAGENET)
    with pytest.raises(MemoryError, match="CUDA out of memory") as raised:
        engine.guard(lambda: engine(crops(1)))
    assert raised.value.__context__ is None  # its frames would keep the batch alive


def test_an_unknown_engine_is_named_with_the_nearest(folder: ModelFolder) -> None:
    with pytest.raises(UsageError, match="unknown engine 'tourch'; did you mean 'torch'"):
        load_engine(folder, name="tourch")


def test_an_unknown_device_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown device 'cuda0'; did you mean 'cuda'"):
        resolve_device("cuda0")


@pytest.mark.parametrize("name", EXACT_ENGINES)
def test_a_gpu_that_is_not_there_is_an_error(
    folder: ModelFolder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="'cuda' was asked for, but no usable CUDA GPU"):
        load_engine(folder, name=name, device="cuda")


def test_onnxruntime_that_falls_back_to_the_cpu_is_an_error(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = type("CpuSession", (), {"get_providers": lambda _: ["CPUExecutionProvider"]})
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *args, **kwargs: session())
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None)
    with pytest.raises(UsageError, match="fell back from CUDAExecutionProvider to CPUExecution"):
        load_engine(folder, name="onnxruntime", device="cuda")


def test_a_folder_without_a_graph_is_an_error_of_onnxruntime(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path)
    with pytest.raises(ModelFolderError, match=r"model\.onnx does not exist; engine 'torch'"):
        load_engine(folder, name="onnxruntime", device="cpu")


def test_a_damaged_graph_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path)
    (tmp_path / ONNX_FILE).write_bytes(b"not a graph")
    with pytest.raises(ModelFolderError, match=r"model\.onnx cannot be loaded"):
        load_engine(folder, name="onnxruntime", device="cpu")


def test_onnxruntime_on_a_cpu_neither_imports_torch_nor_warns(folder: ModelFolder) -> None:
    script = (
        "import sys; from pathlib import Path; from inference.engine import load_engine; "
        "from inference.model_folder import open_model_folder; "
        f"load_engine(open_model_folder(Path({str(folder.path)!r})), name='onnxruntime', "
        "device='cpu'); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("False\n", "")


def test_sixteen_bits_say_nearly_the_same_in_float32(folder: ModelFolder) -> None:
    exact, fast = (load_engine(folder, name=name, device="cpu") for name in ("torch", "torch_bf16"))
    logits = logits_of(fast, crops(3))
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - logits_of(exact, crops(3))).max() < 0.05


class Dead(torch.nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")


def test_a_dead_device_is_told_from_other_failures() -> None:
    engine = TorchEngine(Dead(), device="cpu", preprocessing=IMAGENET)
    with pytest.raises(DeviceLost, match="the GPU failed: CUDA error"):
        engine.guard(lambda: engine(crops(1)))


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1000 100000\n", 1),
    ],
)
def test_a_containers_quota_is_worth_so_many_cores(cpu_max: str, cores: int | None) -> None:
    assert cores_of_quota(cpu_max) == cores


@pytest.mark.parametrize("count", [1, 2, 5])
def test_images_side_by_side_are_those_of_one_batch(folder: ModelFolder, count: int) -> None:
    several, one = (
        load_engine(folder, name="onnxruntime", device="cpu", threads=n) for n in (2, 1)
    )
    expected = logits_of(one, crops(count))
    np.testing.assert_allclose(logits_of(several, crops(count)), expected, rtol=0, atol=1e-5)


def test_images_of_several_threads_take_lanes_and_stay_the_same(folder: ModelFolder) -> None:
    engine = load_engine(folder, name="onnxruntime", device="cpu", threads=2)
    assert engine.lanes == 2
    images = crops(24)
    expected = logits_of(load_engine(folder, name="onnxruntime", device="cpu", threads=1), images)
    with ThreadPoolExecutor(engine.lanes) as pool:
        found = list(pool.map(lambda image: logits_of(engine, image[None]), images))
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3, 64])
def test_lanes_share_the_cores(folder: ModelFolder, threads: int) -> None:
    engine = load_engine(folder, name="onnxruntime", device="cpu", threads=threads)
    assert engine.lanes == min(threads, 8)
