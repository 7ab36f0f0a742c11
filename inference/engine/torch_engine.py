"""The eager network in float32: the reference that every other engine is compared with."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inference.model_folder import ModelFolder
from inference.networks import load_network
from inference.preprocess import normalize


class TorchEngine:
    """An eager network, channels last: convolutions are faster that way on CPUs and GPUs."""

    name = "torch"

    def __init__(self, network: nn.Module, *, device: str) -> None:
        self.device = device
        self._device = torch.device(device)
        self._network = network.to(memory_format=torch.channels_last)

    def __call__(self, crops_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (N, S, S, 3) to logits (N, C)."""
        try:
            return self._forward(torch.from_numpy(normalize(crops_nhwc)))
        except torch.OutOfMemoryError as error:
            message = str(error)
        # Not in the handler: there the error's frames still hold the memory that is wanted back.
        torch.cuda.empty_cache()
        raise MemoryError(message)

    @torch.inference_mode()
    def _forward(self, batch_nchw: torch.Tensor) -> NDArray[np.float32]:
        on_device = batch_nchw.to(self._device, memory_format=torch.channels_last)
        # TF32 would keep 10 bits of the mantissa and part from the other engines.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            logits = self._network(on_device)
        return np.asarray(logits.float().cpu().numpy())


def load(folder: ModelFolder, *, device: str, threads: int) -> TorchEngine:
    """Load the weights of a model folder and set the threads that a batch may use."""
    torch.set_num_threads(threads)
    return TorchEngine(load_network(folder, device=device), device=device)
