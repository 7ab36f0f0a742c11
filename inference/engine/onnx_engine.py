"""The ONNX graph on onnxruntime, CPU or CUDA."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from inference.engine.base import Engine, Outputs, Result
from inference.engine.lanes import CLASSIFIER_LANES, Forward, Lanes, faster_alone
from inference.errors import DeviceLost, ModelFolderError, UsageError
from inference.model_folder import ModelFolder, Preprocessing
from inference.settings import ClassificationSettings, settings_of
from inference.types import CLASSIFICATION_TASKS, Task

# TF32 would keep 10 bits of the mantissa and part from the other engines.
_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
}

_DETECTOR_LANES = 2  # canvases are large
_SPIN_US = "20"


class OnnxEngine:
    """onnxruntime sessions on a CPU: those of the graph, and one of a mask head."""

    name = "onnxruntime"
    device = "cpu"

    def __init__(
        self,
        forward: Forward,
        *,
        lanes: int = 1,
        mask_session: ort.InferenceSession | None = None,
    ) -> None:
        """forward: a session's, or Lanes of two sessions."""
        self._forward = forward
        self._mask_session = mask_session
        self.lanes = lanes

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """Images (N, H, W, 3) to the graph's outputs as NumPy arrays."""
        return self._forward(images_nhwc)

    def masks(self, features: Outputs, rois: Any, label_ids: Any) -> Any:
        """Mask probabilities (R, M, M) of rois (R, 5)."""
        if self._mask_session is None:
            raise TypeError("this network has no mask head")
        names = [node.name for node in self._mask_session.get_inputs()]
        arrays = (np.asarray(array) for array in (*features, rois, label_ids))
        return _run(self._mask_session, dict(zip(names, arrays, strict=True)))[0]

    def guard(self, compute: Callable[[], Result]) -> Result:
        """Call it: on a CPU what is wrong with a run is known when the run ends."""
        return compute()


def _run(session: ort.InferenceSession, inputs: dict[str, NDArray[Any]]) -> Outputs:
    with failures_told_apart():
        return tuple(session.run(None, inputs))


@contextmanager
def failures_told_apart() -> Iterator[None]:
    """Raise MemoryError and DeviceLost for what onnxruntime says in words alone."""
    try:
        yield
    except Exception as error:  # onnxruntime's classes do not tell what went wrong
        if "Failed to allocate memory" in str(error):
            raise MemoryError(str(error)) from None
        if "CUDA failure" in str(error):  # every later call would fail as well
            raise DeviceLost(f"onnxruntime: {error}") from error
        raise


def load(folder: ModelFolder, *, device: str, threads: int) -> Engine:
    """Open model.onnx, and masks.onnx for masks, on exactly the device that was asked for."""
    open_session = partial(_open_session, device=device, threads=threads)
    session = open_session(folder.onnx_path)
    has_masks = folder.facts.task is Task.SEGMENTATION
    mask_session = open_session(folder.masks_path) if has_masks else None
    preprocessing = folder.facts.preprocessing
    if device == "cuda":
        from inference.engine.onnx_gpu_engine import OnnxGpuEngine  # needs torch

        return OnnxGpuEngine(session, preprocessing=preprocessing, mask_session=mask_session)
    forward = _forward_of(session, preprocessing)
    is_classifier = folder.facts.task in CLASSIFICATION_TASKS
    lanes = min(threads, CLASSIFIER_LANES if is_classifier else _DETECTOR_LANES)
    if lanes > 1:
        session_of_lane = _open_session(folder.onnx_path, device=device, threads=threads // lanes)
        beside = _forward_of(session_of_lane, preprocessing)
        if is_classifier:
            side = settings_of(folder.settings, ClassificationSettings).valid_crop_size
            forward = faster_alone(forward, beside, np.zeros((1, side, side, 3), np.uint8))
        forward = Lanes(lanes, alone=forward, beside=beside, has_rows=is_classifier)
    return OnnxEngine(forward, lanes=lanes, mask_session=mask_session)


def _forward_of(session: ort.InferenceSession, preprocessing: Preprocessing) -> Forward:
    name = session.get_inputs()[0].name
    return lambda images_nhwc: _run(session, {name: preprocessing.normalized(images_nhwc)})


def _open_session(path: Path, *, device: str, threads: int) -> ort.InferenceSession:
    if not path.is_file():
        raise ModelFolderError(f"{path} does not exist; engine 'torch' needs no graph")
    if device == "cuda":
        ort.preload_dlls()  # finds the CUDA libraries that came as Python wheels
    provider, provider_options = _PROVIDERS[device]
    try:
        session = ort.InferenceSession(
            str(path),
            _session_options(threads),
            providers=[provider],
            provider_options=[provider_options],
        )
    except Exception as error:  # onnxruntime raises a dozen unrelated classes
        raise ModelFolderError(f"{path} cannot be loaded: {error}") from None
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
    # Idle threads must not spin on the cores that decode the next images, but between two layers.
    options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_US)
    options.log_severity_level = 3  # errors; warnings are about this machine, not the model
    return options
