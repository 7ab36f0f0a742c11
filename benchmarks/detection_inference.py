"""What comes after the forward pass, and what tiles cost, each against the forward passes alone."""

import resource
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.models import pipeline_of, random_detector
from benchmarks.timing import CONSOLE, interleaved, report
from inference.detect import DetectionPipeline, View
from inference.families import detector_named
from inference.image import decode_image
from inference.settings import DetectionSettings, Settings, settings_class
from inference.types import Detections

_FLAT_OUTPUTS = 3  # boxes, scores and image ids; feature maps follow where there is a mask head


def settings_for(name: str, **values: object) -> DetectionSettings:
    """A family's settings with some values replaced."""
    family = detector_named(name)
    (task,) = family.tasks
    kind: type[Settings] = settings_class(task, family.canvas)
    settings = kind(**values)
    if not isinstance(settings, DetectionSettings):
        raise TypeError(f"{name} is no detector")
    return settings


def compare_postprocessing(name: str, *, rounds: int) -> None:
    """Time the whole of an image against its forward pass, with 100 detections kept."""
    family, network = random_detector(name)
    pipeline = pipeline_of(family, network)
    settings = settings_for(name, box_score_thresh=0.0, nms_iou_thresh=0.9)
    (view,) = pipeline.prepare(_photo(480, 640), settings)
    (found,) = pipeline.run([view])
    boxes = torch.from_numpy(found.boxes_xyxy)
    rois = torch.cat([torch.zeros(len(boxes), 1), boxes], dim=1)
    label_ids = torch.from_numpy(found.label_ids)
    seconds = interleaved(
        {
            "forward pass": lambda: _forward(pipeline, view, rois, label_ids),
            "forward pass and post-processing": lambda: pipeline.finish(
                [view], pipeline.run([view])
            ),
        },
        rounds=rounds,
    )
    report(f"{name}, {len(found)} detections", seconds, baseline="forward pass")


def _forward(pipeline: DetectionPipeline, view: View, rois: Tensor, label_ids: Tensor) -> None:
    """The network alone and, with masks, its mask head on as many boxes."""
    outputs = pipeline.engine(view.canvas.pixels[None])
    if len(outputs) > _FLAT_OUTPUTS:
        pipeline.engine.masks(outputs[_FLAT_OUTPUTS:], rois, label_ids)


def compare_tiles(name: str, *, rounds: int, batch: int) -> None:
    """Time a 4000×3000 photo cut 4x3, from JPEG to result, against its 13 forward passes."""
    family, network = random_detector(name)
    pipeline = pipeline_of(family, network)
    settings = settings_for(name, tile_grid_size="4x3")
    data = _jpeg(_photo(3000, 4000))
    views = list(pipeline.prepare(decode_image(data), settings))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = interleaved(
        {
            "forward passes": lambda: [
                pipeline.candidates(group) for group in _batches(pipeline, views, batch)
            ],
            "tiled scoring": lambda: _score(pipeline, data, settings, batch),
        },
        rounds=rounds,
    )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    title = f"{name}, 4000×3000 '4x3' = {len(views)} views in batches of {batch}"
    report(title, seconds, baseline="forward passes")
    CONSOLE.print(f"peak memory grew by {(after - before) / 1024:.0f} MiB")


def _score(
    pipeline: DetectionPipeline, data: bytes, settings: DetectionSettings, batch: int
) -> None:
    views = list(pipeline.prepare(decode_image(data), settings))
    parts: dict[int, Detections] = {}
    for group in _batches(pipeline, views, batch):
        parts.update(zip(map(id, group), pipeline.run(group), strict=True))
    pipeline.finish(views, [parts[id(view)] for view in views])


def _batches(pipeline: DetectionPipeline, views: list[View], size: int) -> list[list[View]]:
    """Views of one canvas size each, as the micro-batcher forms them."""
    keys = sorted({pipeline.key(view) for view in views}, key=repr)
    groups = [[view for view in views if pipeline.key(view) == key] for key in keys]
    return [group[i : i + size] for group in groups for i in range(0, len(group), size)]


def _photo(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth noise: compresses about as a photo does."""
    small = np.random.default_rng(0).integers(0, 256, (height // 20, width // 20, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
