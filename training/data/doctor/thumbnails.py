"""Small pictures of a page: the image inside the page itself, its objects as SVG over it."""

from html import escape
from pathlib import Path

from inference.errors import SightlineError
from inference.html_page import thumbnail
from inference.image import decode_image
from inference.storage import is_remote
from training.data.doctor.findings import Box, Picture
from training.data.remote_images import RemoteImage

_SIDE = 240  # pixels


def figure(picture: Picture, caption: str) -> str:
    """An image with its boxes drawn; the caption alone where the file cannot be read any more."""
    try:
        file = RemoteImage(picture.image) if is_remote(picture.image) else Path(picture.image)
        pixels = decode_image(file.read_bytes())
    except (OSError, SightlineError):
        return f"<figure><figcaption>{escape(caption)}</figcaption></figure>"
    image, (width, height) = thumbnail(pixels, side=_SIDE)
    boxes = "".join(_rect(box, (width, height)) for box in picture.boxes)
    return (
        f'<figure><div class="pic">{image}'
        f'<svg viewBox="0 0 {width} {height}">{boxes}</svg></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _rect(box: Box, size_wh: tuple[int, int]) -> str:
    width, height = size_wh
    x1, y1, x2, y2 = box
    wide, high = (
        max(2.0, (x2 - x1) * width),
        max(2.0, (y2 - y1) * height),
    )  # tiny ones are seen, too
    return (
        f'<rect class="box" x="{x1 * width:.1f}" y="{y1 * height:.1f}" '
        f'width="{wide:.1f}" height="{high:.1f}"/>'
    )
