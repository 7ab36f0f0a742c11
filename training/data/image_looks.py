"""What one image looks like, small: found while it is checked, for less than decoding it whole."""

from dataclasses import replace
from io import BytesIO

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image

from inference.image import FORMATS, JPEG_FORMATS, MAX_PIXELS, decode_image, turn_upright
from training.data.records import LOOK_SIDE, Look

_TURNED_BY_A_QUARTER = frozenset({5, 6, 7, 8})
_SCALED_SIDE = 2 * LOOK_SIDE  # pixels that libjpeg, which scales by eighths, leaves at least


def look_at(data: bytes) -> tuple[Look, tuple[int, int]]:
    """Return an image's look, and height and width in pixels of the upright image.

    Every byte is decoded, so that a truncated file is found, but a JPEG to few pixels only.
    Raises what `decode_image` raises, and for the same files.
    """
    scaled = _scaled_jpeg(data)
    pixels = decode_image(data) if scaled is None else scaled
    try:
        look, size_hw = _header(data)
    except Exception:  # damaged metadata makes Pillow raise nearly anything
        decode_image(data)  # raises what says so to people
        raise
    small = _resized(pixels)
    gray = (
        cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        if scaled is None
        else turn_upright(small, look.orientation)
    )
    return replace(look, miniature=gray.tobytes()), size_hw


def _scaled_jpeg(data: bytes) -> NDArray[np.uint8] | None:
    """Decode a JPEG's brightness to few pixels; None for what only `decode_image` can judge."""
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors in ("CMYK", "YCCK") or height * width > MAX_PIXELS:
            return None
        side = _SCALED_SIDE
        return simplejpeg.decode_jpeg(data, "GRAY", min_height=side, min_width=side)[..., 0]
    except ValueError:  # no JPEG, or damaged
        return None


def _header(data: bytes) -> tuple[Look, tuple[int, int]]:
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        is_jpeg = image.format in JPEG_FORMATS  # an MPO's second picture shows the same
        look = Look(
            mode=image.mode,
            orientation=orientation,
            frames=1 if is_jpeg else getattr(image, "n_frames", 1),
            transparent=image.has_transparency_data,
        )
    turned = orientation in _TURNED_BY_A_QUARTER
    return look, (width, height) if turned else (height, width)


def _resized(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = (LOOK_SIDE, LOOK_SIDE)
    return np.asarray(cv2.resize(pixels, side, interpolation=cv2.INTER_AREA))
