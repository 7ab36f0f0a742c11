"""The network in PyTorch: in float32 the reference for every other engine, in 16 bits for speed."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.engine.base import Outputs, Result
from inference.engine.compiled_lanes import CompiledLanes, check_compiling, threads_of_caller
from inference.engine.cuda_graphs import CudaGraphs
from inference.engine.device_input import DeviceInput
from inference.engine.guard import guard
from inference.errors import UsageError
from inference.families import detector_named
from inference.families.base import MaskHead
from inference.folding import fold_batch_norms
from inference.model_folder import ModelFolder, Preprocessing
from inference.networks import load_network
from inference.settings import ClassificationSettings, settings_of
from inference.types import CLASSIFICATION_TASKS, Task

Run = Callable[[NDArray[np.uint8]], Outputs]


class TorchEngine:
    """A network, channels last: convolutions are faster that way on CPUs and GPUs."""

    def __init__(
        self,
        network: nn.Module,
        *,
        device: str,
        preprocessing: Preprocessing,
        mask_head: MaskHead | None = None,
        name: str = "torch",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Take a network in evaluation mode; in another dtype than float32 its layers change.

        Convolutions and linear layers compute in `dtype`, the rest as torch's autocast decides.
        """
        self.name = name
        self.device = device
        self.lanes = 1
        self._dtype = dtype
        if dtype != torch.float32:
            _cast_layers(network, dtype)  # once, instead of by autocast in every run
        self._network = network.to(memory_format=torch.channels_last)
        self._normalize = DeviceInput(preprocessing, device=device)
        self._mask_head = mask_head
        self._run: Run = self._run_eagerly

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """Images (N, H, W, 3) to what the network computes, no real number in 16 bits."""
        return self._run(images_nhwc)

    def record(self) -> None:
        """Run batches as CUDA graphs. The network's work must depend on its input's shape alone."""
        self._run = CudaGraphs(self._eager)

    def compile(self, *, side: int, threads: int) -> None:
        """Run images (side, side, 3) in compiled graphs, on lanes; outputs are NumPy's arrays then.

        The network's work must depend on its input's shape alone.
        """
        compiled = CompiledLanes(self._network, self._eager, side=side, threads=threads)
        self._run, self.lanes = compiled, compiled.count

    def masks(self, features: Outputs, rois: Tensor, label_ids: Tensor) -> Tensor:
        """Mask probabilities (R, M, M) of rois (R, 5)."""
        if self._mask_head is None:
            raise TypeError("this network has no mask head")
        return self._compute(partial(self._mask_head, self._network, features, rois, label_ids))

    def guard(self, compute: Callable[[], Result]) -> Result:
        """Call what uses the engine or its outputs; see Engine."""
        return guard(compute)

    def _run_eagerly(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        return self._eager(torch.from_numpy(images_nhwc).to(self.device))

    def _eager(self, images_nhwc: Tensor) -> tuple[Tensor, ...]:
        return self._compute(partial(self._forward, images_nhwc))

    def _forward(self, images_nhwc: Tensor) -> tuple[Tensor, ...]:
        outputs = self._network(self._normalize(images_nhwc))
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        return tuple(o.float() if o.is_floating_point() else o for o in outputs)

    def _compute(self, compute: Callable[[], Result]) -> Result:
        """Compute without gradients; float32 without TF32, which keeps 10 bits of the mantissa."""
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
            torch.autocast(self.device, self._dtype, enabled=self._dtype != torch.float32),
        ):
            return compute()


def _cast_layers(network: nn.Module, dtype: torch.dtype) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)


def load(folder: ModelFolder, *, device: str, threads: int) -> TorchEngine:
    """Load the weights of a model folder and set the threads that a batch may use."""
    return _load(folder, device, threads, name="torch", dtype=torch.float32)


def load_bf16(folder: ModelFolder, *, device: str, threads: int) -> TorchEngine:
    """The same, computing in bfloat16: 8 bits of mantissa, fast where the hardware knows it."""
    return _load(folder, device, threads, name="torch_bf16", dtype=torch.bfloat16)


def load_fp16(folder: ModelFolder, *, device: str, threads: int) -> TorchEngine:
    """The same, computing in float16: 11 bits of mantissa. Raises UsageError on a CPU."""
    if device == "cpu":
        raise UsageError("engine 'torch_fp16' needs a GPU; on a CPU use 'torch_bf16' or 'auto'")
    return _load(folder, device, threads, name="torch_fp16", dtype=torch.float16)


def load_compiled(folder: ModelFolder, *, device: str, threads: int) -> TorchEngine:
    """A classifier in bfloat16, compiled for this CPU. Raises UsageError where it cannot be."""
    check_compiling(device=device)
    if folder.facts.task not in CLASSIFICATION_TASKS:
        raise UsageError("engine 'torch_compiled' is for classifiers; use 'torch_bf16' or 'auto'")
    with threads_of_caller(1):  # see CompiledLanes
        engine = _load(folder, device, 1, name="torch_compiled", dtype=torch.bfloat16)
    settings = settings_of(folder.settings, ClassificationSettings)
    engine.compile(side=settings.valid_crop_size, threads=threads)
    return engine


def _load(
    folder: ModelFolder, device: str, threads: int, *, name: str, dtype: torch.dtype
) -> TorchEngine:
    torch.set_num_threads(threads)
    facts = folder.facts
    has_masks = facts.task is Task.SEGMENTATION
    engine = TorchEngine(
        fold_batch_norms(load_network(folder, device=device)),
        device=device,
        preprocessing=facts.preprocessing,
        mask_head=detector_named(facts.family).mask_head if has_masks else None,
        name=name,
        dtype=dtype,
    )
    if device == "cuda" and facts.task in CLASSIFICATION_TASKS:
        engine.record()
    return engine
