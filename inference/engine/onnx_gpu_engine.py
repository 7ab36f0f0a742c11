"""The ONNX graph on onnxruntime and a GPU, where its inputs and outputs stay."""

from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from inference.engine.base import Outputs, Result
from inference.engine.device_input import DeviceInput
from inference.engine.guard import guard
from inference.engine.onnx_engine import failures_told_apart
from inference.model_folder import Preprocessing

_ELEMENT_TYPES = {torch.float32: np.float32, torch.int64: np.int64}


class OnnxGpuEngine:
    """An onnxruntime session on CUDA, and a second one for the mask head where there is one."""

    name = "onnxruntime"
    device = "cuda"
    lanes = 1

    def __init__(
        self,
        session: ort.InferenceSession,
        *,
        preprocessing: Preprocessing,
        mask_session: ort.InferenceSession | None = None,
    ) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._normalize = DeviceInput(preprocessing, device="cuda")
        self._mask_session = mask_session

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """Images (N, H, W, 3) to the graph's outputs as tensors on the GPU."""
        batch = self._normalize(torch.from_numpy(images_nhwc).to("cuda"))
        return _run(self._session, {self._input: batch})

    def masks(self, features: Outputs, rois: Tensor, label_ids: Tensor) -> Tensor:
        """Mask probabilities (R, M, M) of rois (R, 5)."""
        if self._mask_session is None:
            raise TypeError("this network has no mask head")
        names = [node.name for node in self._mask_session.get_inputs()]
        tensors = (*features, rois, label_ids)
        return _run(self._mask_session, dict(zip(names, tensors, strict=True)))[0]

    def guard(self, compute: Callable[[], Result]) -> Result:
        """Call what uses the engine or its outputs; see Engine."""
        return guard(compute)


def _run(session: ort.InferenceSession, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Run with IO binding: nothing is copied to the host and back."""
    binding = session.io_binding()
    packed = {name: tensor.contiguous() for name, tensor in inputs.items()}  # kept while it runs
    for name, tensor in packed.items():
        element_type = _ELEMENT_TYPES[tensor.dtype]
        binding.bind_input(name, "cuda", 0, element_type, tuple(tensor.shape), tensor.data_ptr())
    for node in session.get_outputs():
        binding.bind_output(node.name, "cuda")
    torch.cuda.current_stream().synchronize()  # onnxruntime has a stream of its own
    with failures_told_apart():
        session.run_with_iobinding(binding)  # and waits for it
    return tuple(from_dlpack(value) for value in binding.get_outputs())
