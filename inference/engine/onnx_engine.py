"""The ONNX graph on onnxruntime, CPU or CUDA."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from inference.engine.base import Engine, Outputs, Result
from inference.errors import DeviceLost, ModelFolderError, UsageError
from inference.model_folder import ModelFolder, Preprocessing
from inference.preprocess import normalize
from inference.race import race
from inference.types import CLASSIFICATION_TASKS, Task

# TF32 would keep 10 bits of the mantissa and part from the other engines.
_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
}

_CLASSIFIER_LANES = 8
_DETECTOR_LANES = 2  # canvases are large


class Narrow:
    """A session that leaves cores to others, for images that are not alone.

    A network of many small layers gains little from threads that help within a layer and wait for
    each other after it; whole images need not wait.
    """

    def __init__(self, session: ort.InferenceSession, *, lanes: int) -> None:
        self.session = session
        self.lanes = lanes
        self.threads = ThreadPoolExecutor(lanes, "onnxruntime")
        self._running = 0
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Run an image in the block; whether it begins alone."""
        with self._lock:
            self._running += 1
            is_alone = self._running == 1
        try:
            yield is_alone
        finally:
            with self._lock:
                self._running -= 1


class OnnxEngine:
    """An onnxruntime session on a CPU, and a second one for the mask head where there is one.

    With `narrow` as many threads may call it at a time as that has lanes: an image that begins
    alone has `session`, others a lane each. A classifier's batch takes the lanes by itself.
    """

    name = "onnxruntime"
    device = "cpu"

    def __init__(
        self,
        session: ort.InferenceSession,
        *,
        preprocessing: Preprocessing,
        mask_session: ort.InferenceSession | None = None,
        narrow: Narrow | None = None,
        has_rows: bool = True,
    ) -> None:
        """has_rows: each output has a row per image, so that those of single images are joined."""
        self._session = session
        self._input = session.get_inputs()[0].name
        self._preprocessing = preprocessing
        self._mask_session = mask_session
        self._narrow = narrow
        self._has_rows = has_rows
        self.lanes = narrow.lanes if narrow else 1

    def __call__(self, images_nhwc: NDArray[np.uint8]) -> Outputs:
        """Images (N, H, W, 3) to the graph's outputs as NumPy arrays."""
        if self._narrow is None:
            return self._forward(self._session, images_nhwc)
        if len(images_nhwc) > 1 and self._has_rows:
            forward = partial(self._forward, self._narrow.session)
            parts = self._narrow.threads.map(forward, images_nhwc[:, None])
            return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        with self._narrow.turn() as is_alone:
            session = self._session if is_alone else self._narrow.session
            return self._forward(session, images_nhwc)

    def _forward(self, session: ort.InferenceSession, images_nhwc: NDArray[np.uint8]) -> Outputs:
        batch = normalize(images_nhwc, mean=self._preprocessing.mean, std=self._preprocessing.std)
        return _run(session, {self._input: batch})

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
    is_classifier = folder.facts.task in CLASSIFICATION_TASKS
    lanes = min(threads, _CLASSIFIER_LANES if is_classifier else _DETECTOR_LANES)
    narrow = None
    if lanes > 1:
        session_of_lane = _open_session(folder.onnx_path, device=device, threads=threads // lanes)
        narrow = Narrow(session_of_lane, lanes=lanes)
        if is_classifier:
            session = faster_alone(session, session_of_lane, side=folder.facts.image_size)
    return OnnxEngine(
        session,
        preprocessing=preprocessing,
        mask_session=mask_session,
        narrow=narrow,
        has_rows=is_classifier,
    )


def faster_alone(
    wide: ort.InferenceSession, narrow: ort.InferenceSession, *, side: int
) -> ort.InferenceSession:
    """The session that takes less time for one image: waking threads up costs a small network more.

    Takes the graph's input to be (N, 3, side, side).
    """
    image = {wide.get_inputs()[0].name: np.zeros((1, 3, side, side), np.float32)}
    seconds = race({session: partial(_run, session, image) for session in (wide, narrow)})
    return min(seconds, key=lambda session: seconds[session])


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
    # Idle threads must not spin on the cores that decode the next images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; warnings are about this machine, not the model
    return options
