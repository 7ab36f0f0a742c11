"""What a checkpoint's image processor does, in the terms of our own preprocessing."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inference.hub.library import transformers_library
from inference.model_folder import Preprocessing
from inference.preprocess import Interpolation, ResizeMode

LOG = logging.getLogger(__name__)

_INTERPOLATIONS: dict[int, Interpolation] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
_CONVNEXT_WARPS_FROM = 384  # pixels; smaller images are cropped
_SAME = 0.05  # mean difference of normalised pixels that rounding and resampling explain


@dataclass(frozen=True, slots=True)
class Preparation:
    """How images are prepared: sides in pixels after resizing and of the crop, and the rest."""

    resize_size: int
    crop_size: int
    preprocessing: Preprocessing


def preparation_of(folder: Path, *, image_size: int) -> Preparation:
    """Read the image processor of a checkpoint; what it does beyond our pipeline is warned of.

    Without one it is ImageNet's usual way for images of `image_size`.
    """
    try:
        processor = transformers_library().AutoImageProcessor.from_pretrained(
            str(folder), trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        LOG.warning(
            "%s has no image processor that can be read (%s): images are resized, cropped and "
            "normalised as for ImageNet",
            folder,
            str(error).strip().split("\n", 1)[0],
        )
        return Preparation(round(image_size * 256 / 224), image_size, Preprocessing())
    prepared = _read(processor)
    difference = _difference(processor, prepared)
    if difference > _SAME:
        LOG.warning(
            "%s: %s does more than resize, crop and normalise: pixels differ by %.2f on average. "
            "Training adapts to that, but probabilities are not those of the original pipeline",
            folder,
            type(processor).__name__,
            difference,
        )
    return prepared


def _read(processor: Any) -> Preparation:
    resize_size, crop_size, mode = _sizes(processor)
    mean = np.asarray(processor.image_mean if processor.do_normalize else 0.0)
    std = np.asarray(processor.image_std if processor.do_normalize else 1.0)
    scale = 255 * (processor.rescale_factor if processor.do_rescale else 1.0)
    return Preparation(
        resize_size,
        crop_size,
        Preprocessing(
            mean=_triple(mean / scale),
            std=_triple(std / scale),
            resize=mode,
            interpolation=_INTERPOLATIONS[int(processor.resample)],
        ),
    )


def _sizes(processor: Any) -> tuple[int, int, ResizeMode]:
    """Side after resizing, side of the crop, and whether the image's shape is kept."""
    size = {name: value for name, value in dict(processor.size).items() if value}
    short = size.get("shortest_edge")
    if short and getattr(processor, "crop_pct", None):  # ConvNeXt's processor
        if short >= _CONVNEXT_WARPS_FROM:
            return short, short, "whole"
        return int(short / processor.crop_pct), short, "short_side"
    resized = short or min(size["height"], size["width"])
    crop = resized
    if getattr(processor, "do_center_crop", False) and processor.crop_size:
        crop_size = dict(processor.crop_size)
        crop = min(crop_size["height"], crop_size["width"])
    return max(resized, crop), crop, "short_side" if short else "whole"


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = np.broadcast_to(np.asarray(values, float), 3).tolist()
    return red, green, blue


def _difference(processor: Any, prepared: Preparation) -> float:
    """Compare with the processor itself on a smooth picture of colours."""
    rows, columns = np.mgrid[0:300, 0:400]
    picture = np.stack([rows * 0.8, columns * 0.6, 255 - rows * 0.5], axis=-1).astype(np.uint8)
    theirs = processor(Image.fromarray(picture), return_tensors="np")["pixel_values"][0]
    facts = prepared.preprocessing
    crop = facts.crop(picture, resize_size=prepared.resize_size, crop_size=prepared.crop_size)
    ours = facts.normalized(crop[None])[0]
    return float(np.abs(ours - theirs).mean()) if ours.shape == theirs.shape else float("inf")
