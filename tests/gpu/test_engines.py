"""Engines on a GPU say what the float32 network says on the CPU."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engine import load_engine
from inference.engine.base import as_numpy
from inference.engine.cuda_graphs import CudaGraphs
from inference.engine.device_input import DeviceInput
from inference.engine_choice import TOLERANCE, choose_engine
from inference.model_folder import IMAGENET, ModelFolder
from tests.model_folders import write_model_folder

pytestmark = pytest.mark.gpu
FAMILIES = ("resnet18", "mobilenetv2", "vits16r224")
LARGEST_DIFFERENCE = {"torch": 1e-4, "onnxruntime": 1e-4, "torch_fp16": 0.02, "torch_bf16": 0.1}


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model_folder(
        tmp_path_factory.mktemp(request.param), family=request.param, onnx=True
    )


def crops(count: int, side: int = 64, seed: int = 1) -> np.ndarray:
    shape = (count, side, side, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("name", LARGEST_DIFFERENCE)
def test_engines_agree_with_the_cpu_in_batches_of_any_size(folder: ModelFolder, name: str) -> None:
    cpu = load_engine(folder, name="torch", device="cpu")
    gpu = load_engine(folder, name=name, device="cuda")
    assert (gpu.name, gpu.device) == (name, "cuda")
    for count in (5, 1, 8, 3):
        batch = crops(count, seed=count)
        (expected,), (logits,) = cpu(batch), gpu(batch)
        assert logits.dtype == torch.float32
        difference = np.abs(as_numpy(logits) - as_numpy(expected)).max()
        assert difference <= LARGEST_DIFFERENCE[name]


def test_the_choice_has_measured_every_engine(folder: ModelFolder) -> None:
    verdict = choose_engine(folder, device="cuda")
    for candidate in verdict.candidates:
        if candidate.refused is not None:
            assert re.search("slower|is for CPUs", candidate.refused)  # what others do meanwhile
            continue
        assert candidate.difference is not None
        assert candidate.difference <= TOLERANCE
        assert sorted(candidate.seconds) == [1, 32]


def test_the_gpu_normalises_as_the_cpu_to_the_bit() -> None:
    images = crops(3, side=17)
    on_gpu = DeviceInput(IMAGENET, device="cuda")(torch.from_numpy(images).cuda())
    assert on_gpu.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(as_numpy(on_gpu), IMAGENET.normalized(images))


def sums(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (images.float().sum(dim=(1, 2, 3)),)


def test_what_a_graph_gave_is_not_overwritten_by_the_next_batch() -> None:
    graphs = CudaGraphs(sums)
    batches = [crops(count, side=8, seed=count) for count in (4, 3, 1, 2)]
    answers = [graphs(batch)[0] for batch in batches]
    for batch, answer in zip(batches, answers, strict=True):
        np.testing.assert_array_equal(as_numpy(answer), batch.sum(axis=(1, 2, 3)))


def test_a_function_that_waits_for_the_gpu_runs_without_a_graph() -> None:
    calls = []

    def waiting(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        calls.append(len(images))
        return (images.float().sum(dim=(1, 2, 3)) * (1 if images.sum().item() >= 0 else 2),)

    graphs = CudaGraphs(waiting)
    for batch in (crops(3, side=8), crops(3, side=8, seed=2)):
        np.testing.assert_array_equal(as_numpy(graphs(batch)[0]), batch.sum(axis=(1, 2, 3)))
    assert calls == [4, 4, 4, 3, 3]  # two before recording, the one that failed, and the batches


def test_sixteen_bits_on_another_crop_size(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path)
    cpu, gpu = (
        load_engine(folder, name=name, device=device)
        for name, device in (("torch", "cpu"), ("torch_fp16", "cuda"))
    )
    for side in (64, 96, 64):
        (expected,), (logits,) = cpu(crops(2, side)), gpu(crops(2, side))
        np.testing.assert_allclose(as_numpy(logits), as_numpy(expected), rtol=0, atol=0.02)
