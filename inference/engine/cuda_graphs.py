"""One launch for a whole network.

A GPU computes a small network faster than Python can launch its kernels one by one. A CUDA graph
holds them all, with the memory that they read and write:
https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs/
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

log = logging.getLogger(__name__)

Compute = Callable[[Tensor], tuple[Tensor, ...]]
_MOST_GRAPHS = 64  # requests may ask for any crop size, and each graph holds memory
_RUNS_BEFORE = 2  # the first ones choose algorithms and load kernels, which cannot be recorded


@dataclass(frozen=True, slots=True)
class _Graph:
    """A recorded batch: where its images go and where its outputs come."""

    graph: torch.cuda.CUDAGraph
    pinned: Tensor  # on the host; (N, H, W, 3) uint8
    images: Tensor
    outputs: tuple[Tensor, ...]


class CudaGraphs:
    """A function of images (N, H, W, 3), recorded once per canvas and power of two of images.

    A batch between two powers runs in the larger graph; what the other places hold is computed and
    left out. A function that waits for the device cannot be recorded: it runs as it is. Called by
    one thread; others may use the GPU at the same time. Raises what the function raises.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._graphs: dict[tuple[int, ...], _Graph | None] = {}
        self._pool = torch.cuda.graph_pool_handle()  # no two of them run at the same time

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> tuple[Tensor, ...]:
        """What the function makes of the images; the tensors are the caller's own."""
        count = len(images_nhwc)
        shape = (next_power_of_two(count), *images_nhwc.shape[1:])
        if shape not in self._graphs and len(self._graphs) < _MOST_GRAPHS:
            self._graphs[shape] = self._record(shape)
        recorded = self._graphs.get(shape)
        if recorded is None:
            return self._compute(torch.from_numpy(images_nhwc).to("cuda"))
        recorded.pinned[:count] = torch.from_numpy(images_nhwc)
        recorded.images.copy_(recorded.pinned)  # waits: `pinned` can be written again
        recorded.graph.replay()
        return tuple(output[:count].clone() for output in recorded.outputs)

    def _record(self, shape: tuple[int, ...]) -> _Graph | None:
        pinned = torch.zeros(*shape, dtype=torch.uint8, pin_memory=True)
        images = pinned.to("cuda")
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_RUNS_BEFORE):
                self._compute(images)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                outputs = self._compute(images)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # of a dead device, too, of which the next run will tell
            log.info("batches of %s run without a CUDA graph: %s", shape, error)
            return None
        return _Graph(graph, pinned, images, outputs)


def next_power_of_two(count: int) -> int:
    """Return the smallest power of two that is at least `count`."""
    return 1 << (count - 1).bit_length()
