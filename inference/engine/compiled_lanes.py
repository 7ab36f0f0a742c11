"""A network compiled for this machine's CPU, an image per core."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from inference.engine.base import Outputs
from inference.engine.cuda_graphs import Compute
from inference.engine.lanes import CLASSIFIER_LANES, Lanes, faster_alone
from inference.errors import UsageError


class CompiledLanes:
    """A function of images (N, H, W, 3): one of the model's own size runs in a compiled graph.

    Images of another size, which a request may ask for, are computed without: compiling takes
    seconds. There are `count` lanes; see Lanes.
    """

    def __init__(self, compute: Compute, compiled: Compute, *, side: int, threads: int) -> None:
        """compiled: the same by torch.compile, which compiles when it is first called."""
        self.count = min(threads, CLASSIFIER_LANES)
        self._compute = compute
        self._compiled = compiled
        self._canvas = (1, side, side, 3)
        self._threads_of_lane = threads // self.count
        # OpenMP has helpers for each thread that asks for some. With more of them than cores none
        # waits awake for the next layer, so one thread alone may ask.
        self._wide_thread = ThreadPoolExecutor(
            1, "wide", initializer=torch.set_num_threads, initargs=(threads,)
        )
        blank = np.zeros(self._canvas, np.uint8)
        with _compiling():
            self._narrow(blank)
        self._wide_thread.submit(self._compile, blank).result()
        alone = faster_alone(self._wide, self._narrow, blank)
        self._lanes = Lanes(self.count, alone=alone, beside=self._narrow)

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """What the function makes of the images, NumPy's arrays."""
        return self._lanes(images_nhwc)

    def _wide(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        return self._wide_thread.submit(self._forward, images_nhwc).result()

    def _narrow(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        before = torch.get_num_threads()  # the calling thread's
        torch.set_num_threads(self._threads_of_lane)
        try:
            return self._forward(images_nhwc)
        finally:
            torch.set_num_threads(before)

    def _compile(self, images_nhwc: NDArray[np.uint8]) -> None:
        with _compiling():
            self._forward(images_nhwc)

    def _forward(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """There is a graph for each number of threads."""
        compute = self._compiled if images_nhwc.shape == self._canvas else self._compute
        return tuple(output.numpy() for output in compute(torch.from_numpy(images_nhwc)))


def _compiling() -> AbstractContextManager[None]:
    """How graphs are compiled in the block, by this thread.

    Weights become constants in the order that the kernels want, and layers that follow each other
    one kernel. A graph in C++ runs without Python's lock, beside the threads that decode.
    """
    from torch._inductor import config  # takes seconds

    return cast(AbstractContextManager[None], config.patch(freezing=True, cpp_wrapper=True))


def check_compiling(*, device: str) -> None:
    """Raise UsageError where graphs are not compiled: without bfloat16, or without a compiler."""
    engine = "engine 'torch_compiled'"
    if device != "cpu":
        raise UsageError(f"{engine} is for CPUs; on a GPU use 'torch_bf16', 'torch_fp16' or 'auto'")
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise UsageError(f"{engine} needs a CPU that computes in bfloat16 (avx512_bf16, AMX)")
    if compiler() is None:
        raise UsageError(f"{engine} needs a C++ compiler; install g++, or name another one in CXX")


def compiler() -> str | None:
    """Where torch.compile would find a C++ compiler."""
    return shutil.which(os.environ.get("CXX", "g++"))
