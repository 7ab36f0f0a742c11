"""Bytes of an image file to an upright RGB array, with every limit checked before decoding."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from inference.errors import BadImage, TooLarge, UnsupportedImage

# Pillow opens MPO, the two-picture JPEG that many phones write, through its JPEG plugin.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MAX_PIXELS = 50_000_000


def decode_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode one image file into (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    Raises UnsupportedImage for other formats, TooLarge for more than `max_pixels` (read from the
    header, before anything is decoded) and BadImage for empty, truncated or damaged files.
    """
    if not data:
        raise BadImage("the image is empty (0 bytes)")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, max_pixels)
            return np.asarray(_upright_rgb(image))
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except (TooLarge, UnsupportedImage):
        raise
    except Image.DecompressionBombError as error:
        raise TooLarge(f"image refused: {error}") from None
    except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
        raise BadImage(f"the image cannot be decoded ({error}); is the file complete?") from None


def _check_size(size_wh: tuple[int, int], max_pixels: int) -> None:
    width, height = size_wh
    if width * height > max_pixels:
        raise TooLarge(
            f"image has {width}×{height} = {width * height:,} pixels, "
            f"at most {max_pixels:,} are allowed"
        )


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode == "I":
        return _sixteen_bit_to_rgb(upright)
    if upright.mode == "P":
        upright = upright.convert("RGBA")  # applies a palette's transparency without a warning
    return upright.convert("RGB")


def _sixteen_bit_to_rgb(image: Image.Image) -> Image.Image:
    """Keep the high byte: Pillow's own conversion would clip everything over 255 to white."""
    high = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
    return Image.fromarray(high).convert("RGB")


def _unidentified(data: bytes) -> BadImage | UnsupportedImage:
    names = "JPEG, PNG, WebP, BMP, TIFF"
    try:
        with Image.open(BytesIO(data)) as image:
            return UnsupportedImage(f"image format {image.format} is not served (allowed: {names})")
    except Exception:  # not an image of any format that Pillow knows
        return BadImage(f"the bytes are not an image, or its header is damaged (allowed: {names})")
