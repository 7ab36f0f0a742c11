"""Encoded images for tests: photo-like, repeatable, any size and format."""

from io import BytesIO

import numpy as np
from PIL import Image


def encoded(
    seed: int = 0, *, size_wh: tuple[int, int] = (96, 80), kind: str = "JPEG", **options: object
) -> bytes:
    """Smooth colours with some noise, as a file of format `kind`."""
    width, height = size_wh
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size_wh), np.int16)
    noisy = (smooth + rng.integers(-8, 9, (height, width, 3))).clip(0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(noisy).save(buffer, kind, **options)
    return buffer.getvalue()


def black_png(width: int, height: int) -> bytes:
    """A one-bit PNG: few bytes, whatever its size."""
    buffer = BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()
