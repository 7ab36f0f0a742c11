"""The ONNX graph on onnxruntime, CPU or CUDA."""

from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from inference.errors import ModelFolderError, UsageError
from inference.model_folder import ModelFolder
from inference.preprocess import normalize

# TF32 would keep 10 bits of the mantissa and part from the other engines.
_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
}


class OnnxEngine:
    """An onnxruntime session."""

    name = "onnxruntime"

    def __init__(self, session: ort.InferenceSession, *, device: str) -> None:
        self.device = device
        self._session = session

    def __call__(self, crops_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (N, S, S, 3) to logits (N, C)."""
        try:
            (logits,) = self._session.run(["output1"], {"input1": normalize(crops_nhwc)})
        except Exception as error:  # onnxruntime's classes do not tell what went wrong
            if "Failed to allocate memory" in str(error):
                raise MemoryError(str(error)) from None
            raise
        return np.asarray(logits, np.float32)


def load(folder: ModelFolder, *, device: str, threads: int) -> OnnxEngine:
    """Open model.onnx on exactly the device that was asked for."""
    return OnnxEngine(_open_session(folder, device=device, threads=threads), device=device)


def _open_session(folder: ModelFolder, *, device: str, threads: int) -> ort.InferenceSession:
    if not folder.onnx_path.is_file():
        raise ModelFolderError(f"{folder.onnx_path} does not exist; engine 'torch' needs no graph")
    if device == "cuda":
        ort.preload_dlls()  # finds the CUDA libraries that came as Python wheels
    provider, provider_options = _PROVIDERS[device]
    try:
        session = ort.InferenceSession(
            str(folder.onnx_path),
            _session_options(threads),
            providers=[provider],
            provider_options=[provider_options],
        )
    except Exception as error:  # onnxruntime raises a dozen unrelated classes
        raise ModelFolderError(f"{folder.onnx_path} cannot be loaded: {error}") from None
    if provider not in session.get_providers():
        raise UsageError(
            f"onnxruntime fell back from {provider} to {', '.join(session.get_providers())}: its "
            "CUDA libraries are missing or too old; use device 'cpu' or engine 'torch'"
        )
    return session


def _session_options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; warnings are about this machine, not the model
    return options
