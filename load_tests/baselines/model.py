"""What all baselines share: a model folder's ONNX graph, and the way from bytes to its input.

The environment says MODEL_FOLDER; DECODER, `pillow` (what people write) or `simplejpeg` (faster);
WORKERS, processes with a model each, and THREADS, onnxruntime's in each; DEVICE, cpu or cuda. On a
CPU neither choice is sure to be best: one worker with all cores can answer a lone client sooner, a
worker per core with one thread each (LitServe's advice for CPUs) loses less to waiting threads.
`compare` runs both.
"""

import base64
import json
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from load_tests.environment import usable_cores

CORES = usable_cores()
DEVICE = os.environ.get("DEVICE", "cpu")
MAX_BATCH = {"cpu": 8, "cuda": 32}[DEVICE]  # as our server
WORKERS = int(os.environ.get("WORKERS", "1"))
THREADS = int(os.environ.get("THREADS", str(CORES)))


class Classifier:
    """A classifier on onnxruntime, float32 (on a GPU with TF32, its default)."""

    def __init__(self, folder: Path, *, threads: int, decoder: str = "pillow") -> None:
        facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self._labels = facts["labels"]
        self._multilabel = facts["task"] == "image_classification_multilabel"
        self._mean = np.array(facts["preprocessing"]["mean"], np.float32) * 255.0
        self._scale = 1.0 / (np.array(facts["preprocessing"]["std"], np.float32) * 255.0)
        self._resize, self._crop = settings["valid_resize_size"], settings["valid_crop_size"]
        self._decode = _DECODERS[decoder]
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        provider = f"{DEVICE.upper()}ExecutionProvider"
        if DEVICE == "cuda":
            ort.preload_dlls()
        self._session = ort.InferenceSession(
            str(folder / "model.onnx"), options, providers=[provider]
        )
        if provider not in self._session.get_providers():
            raise RuntimeError(f"onnxruntime has no {provider}")
        self._input = self._session.get_inputs()[0].name
        self.probabilities([np.zeros((self._crop, self._crop, 3), np.uint8)] * MAX_BATCH)

    @classmethod
    def from_environment(cls) -> "Classifier":
        """Open what the environment names."""
        folder = Path(os.environ["MODEL_FOLDER"])
        return cls(folder, threads=THREADS, decoder=os.environ.get("DECODER", "pillow"))

    def crop(self, image_base64: str) -> NDArray[np.uint8]:
        """Decode, resize the short side and cut out the centre, in one step of Pillow's resize."""
        return self.crop_bytes(base64.b64decode(image_base64))

    def crop_bytes(self, data: bytes) -> NDArray[np.uint8]:
        """The same from the file's bytes."""
        image = self._decode(data)
        short = min(image.size)
        box = [_span(length, short, self._resize, self._crop) for length in image.size]
        (left, right), (top, bottom) = box
        size = (self._crop, self._crop)
        pixels = image.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
        return np.asarray(pixels)

    def probabilities(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One run of the model: a row of probabilities per crop."""
        batch = (np.stack(crops).astype(np.float32) - self._mean) * self._scale
        inputs = {self._input: np.ascontiguousarray(batch.transpose(0, 3, 1, 2))}
        logits = self._session.run(None, inputs)[0]
        if self._multilabel:
            return np.asarray(1.0 / (1.0 + np.exp(-logits)))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def body(self, probs: NDArray[np.float32]) -> dict[str, Any]:
        """One image's answer."""
        return {"probs": probs.tolist(), "labels": self._labels}


def _pillow(data: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")


def _simplejpeg(data: bytes) -> Image.Image:
    header = Image.open(BytesIO(data))
    upright = header.getexif().get(ExifTags.Base.Orientation, 1) == 1
    if header.format != "JPEG" or header.mode != "RGB" or not upright:
        return _pillow(data)
    return Image.fromarray(simplejpeg.decode_jpeg(data))


_DECODERS = {"pillow": _pillow, "simplejpeg": _simplejpeg}


def _span(length: int, short: int, resize: int, crop: int) -> tuple[float, float]:
    resized = resize * length // short
    start = round((resized - crop) / 2.0)
    return start * length / resized, min((start + crop) * length / resized, length)
