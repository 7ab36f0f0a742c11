"""The eager network in float32: the reference that every other engine is compared with."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.engine.base import Outputs
from inference.families import detector_named
from inference.families.base import MaskHead
from inference.model_folder import ModelFolder, Preprocessing
from inference.networks import load_network
from inference.preprocess import normalize
from inference.types import Task

_Result = TypeVar("_Result")


class TorchEngine:
    """An eager network, channels last: convolutions are faster that way on CPUs and GPUs."""

    name = "torch"

    def __init__(
        self,
        network: nn.Module,
        *,
        device: str,
        preprocessing: Preprocessing,
        mask_head: MaskHead | None = None,
    ) -> None:
        self.device = device
        self._device = torch.device(device)
        self._network = network.to(memory_format=torch.channels_last)
        self._preprocessing = preprocessing
        self._mask_head = mask_head

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """Images (N, H, W, 3) to the network's tensors, on the device and in float32."""
        batch = normalize(images_nhwc, mean=self._preprocessing.mean, std=self._preprocessing.std)
        return self._within_memory(partial(self._forward, torch.from_numpy(batch)))

    def masks(self, features: Outputs, rois: Tensor, label_ids: Tensor) -> Tensor:
        """Mask probabilities (R, M, M) of rois (R, 5)."""
        if self._mask_head is None:
            raise TypeError("this network has no mask head")
        head = partial(self._mask_head, self._network, features, rois, label_ids)
        return self._within_memory(lambda: (_exact(head),))[0]

    def _forward(self, batch_nchw: Tensor) -> tuple[Tensor, ...]:
        on_device = batch_nchw.to(self._device, memory_format=torch.channels_last)
        outputs = _exact(lambda: self._network(on_device))
        return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)

    def _within_memory(self, compute: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        try:
            return compute()
        except torch.OutOfMemoryError as error:
            message = str(error)
        # Not in the handler: there the error's frames still hold the memory that is wanted back.
        torch.cuda.empty_cache()
        raise MemoryError(message)


def _exact(compute: Callable[[], _Result]) -> _Result:
    """Compute without gradients, and without TF32, which keeps 10 bits of the mantissa."""
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return compute()


def load(folder: ModelFolder, *, device: str, threads: int) -> TorchEngine:
    """Load the weights of a model folder and set the threads that a batch may use."""
    torch.set_num_threads(threads)
    facts = folder.facts
    has_masks = facts.task is Task.SEGMENTATION
    return TorchEngine(
        load_network(folder, device=device),
        device=device,
        preprocessing=facts.preprocessing,
        mask_head=detector_named(facts.family).mask_head if has_masks else None,
    )
