"""A network compiled for this machine's CPU, images side by side."""

import logging
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.engine.base import Outputs
from inference.engine.cuda_graphs import Compute
from inference.engine.lanes import CLASSIFIER_LANES, Lanes, faster_alone
from inference.errors import UsageError

# Weights become constants in the order that the kernels want, and layers that follow each other one
# kernel. The graph is in C++ and runs without Python's lock, beside the threads that decode. It is
# one file, for which worker processes are not worth starting.
_OPTIONS = {"freezing": True, "cpp_wrapper": True, "compile_threads": 1}


class CompiledLanes:
    """A function of images (N, H, W, 3). Those of the model's own size run in a compiled graph.

    Images of another size, which a request may ask for, are computed without one: compiling takes
    seconds. There are `count` lanes; see Lanes.
    """

    def __init__(self, network: nn.Module, compute: Compute, *, side: int, threads: int) -> None:
        """compute: the function, which uses `network`."""
        self.count = min(threads, CLASSIFIER_LANES)
        self._compute = compute
        self._canvas = (1, side, side, 3)
        self._threads_of_lane = threads // self.count
        # OpenMP keeps helpers for each thread that asks for some. With more of them than cores none
        # waits awake for the next layer, so one thread runs all images that are alone. Lanes ask
        # for none where there are fewer than 16 cores.
        self._wide_thread = ThreadPoolExecutor(
            1, "wide", initializer=torch.set_num_threads, initargs=(threads,)
        )
        blank = np.zeros(self._canvas, np.uint8)
        graph = partial(compiled, _Exportable(network, compute), torch.from_numpy(blank))
        self._wide_graph = self._wide_thread.submit(graph).result()
        self._narrow_graph = self._wide_graph
        if self.count > 1:
            with threads_of_caller(self._threads_of_lane):
                self._narrow_graph = graph()
        alone = faster_alone(self._wide, self._narrow, blank)
        self._lanes = Lanes(self.count, alone=alone, beside=self._narrow)

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """What the function makes of the images, NumPy's arrays."""
        return self._lanes(images_nhwc)

    def _wide(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        return self._wide_thread.submit(self._forward, self._wide_graph, images_nhwc).result()

    def _narrow(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        with threads_of_caller(self._threads_of_lane):
            return self._forward(self._narrow_graph, images_nhwc)

    def _forward(self, graph: Compute, images_nhwc: NDArray[np.uint8]) -> Outputs:
        compute = graph if images_nhwc.shape == self._canvas else self._compute
        with torch.inference_mode():
            return tuple(output.numpy() for output in compute(torch.from_numpy(images_nhwc)))


class _Exportable(nn.Module):
    """A function of a network's, in the shape that torch.export takes."""

    def __init__(self, network: nn.Module, compute: Compute) -> None:
        super().__init__()
        self.network = network
        self.compute = compute

    def forward(self, images_nhwc: Tensor) -> tuple[Tensor, ...]:
        return self.compute(images_nhwc)


def compiled(module: nn.Module, images_nhwc: Tensor) -> Compute:
    """Compile a module for inputs of just this shape and the calling thread's number of threads.

    Raises UsageError for a module, or a machine, with which that cannot be done.
    """
    from torch._inductor import compile, config  # takes seconds

    # It warns that there is no GPU, which nobody asked for.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        with torch.no_grad(), config.patch(_OPTIONS):
            graph = torch.export.export(module, (images_nhwc,)).module(check_guards=False)
            return cast(Compute, compile(graph, [images_nhwc]))
    except MemoryError:
        raise
    except Exception as error:  # of the network's own code, of torch's layers, of the compiler
        lines = [*str(error).splitlines(), type(error).__name__]
        reason = next((line for line in lines if "error:" in line), lines[0])
        raise UsageError(
            f"engine 'torch_compiled' cannot compile this network here ({reason.strip()}); use "
            "'torch_bf16' or 'auto'"
        ) from None


@contextmanager
def threads_of_caller(count: int) -> Iterator[None]:
    """Let torch use so many threads for the calling one in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_compiling(*, device: str) -> None:
    """Raise UsageError where graphs are not compiled: without bfloat16, or without a compiler."""
    engine = "engine 'torch_compiled'"
    if device != "cpu":
        raise UsageError(f"{engine} is for CPUs; on a GPU use 'torch_bf16', 'torch_fp16' or 'auto'")
    if not torch.cpu._is_avx512_bf16_supported():
        raise UsageError(f"{engine} needs a CPU that computes in bfloat16 (avx512_bf16)")
    if compiler() is None:
        raise UsageError(f"{engine} needs a C++ compiler; install g++, or name another one in CXX")


def compiler() -> str | None:
    """Where torch.compile would find a C++ compiler."""
    return shutil.which(os.environ.get("CXX", "g++"))
