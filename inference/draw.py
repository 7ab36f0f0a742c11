"""Detections drawn on their picture."""

import colorsys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inference.image import decode_image
from inference.pipeline import Result
from inference.polygons import mask_window
from inference.types import Detections, ObjectsFound

Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Pixels = NDArray[np.uint8]
Rect = tuple[int, int, int, int]  # left, top, right, bottom, the last two not included

_QUALITY = 90  # of the JPEG
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_THIN, _SOLID = 115, 255  # opacity of masks
_LINE_SHARE, _FONT_SHARE = 0.004, 0.03  # of the square root of the picture's area
_SMALLEST_FONT = 9  # pixels; below, letters are not legible
_HEIGHTS = 3  # of a caption that a picture with captions must have
_GOLDEN_RATIO = 0.618034  # hues that far apart differ, however many there are
_SHADES = ((0.85, 1.0), (0.5, 1.0), (1.0, 0.65))  # saturation and value, in turn


def draw_detections(
    image_rgb: Pixels,
    detections: Detections,
    labels: Sequence[str],
    *,
    mask_threshold: float = 0.5,
) -> Pixels:
    """Draw boxes, captions of label and score, and masks if there are any.

    image_rgb (H, W, 3); the result is a new picture of that size. What has a higher score lies on
    top, and its caption gets the better place.
    """
    height, width = image_rgb.shape[:2]
    mean_side = (height * width) ** 0.5
    colors = [label_color(label_id) for label_id in detections.label_ids.tolist()]
    line = max(1, round(_LINE_SHARE * mean_side))
    picture = Image.fromarray(image_rgb).copy()
    _draw_masks(picture, detections, colors, line, mask_threshold)
    draw = ImageDraw.Draw(picture)
    boxes = [_pixels_of(box, (width, height)) for box in detections.boxes_xyxy]
    for box, color in reversed(list(zip(boxes, colors, strict=True))):
        _draw_box(draw, box, color, line)
    font = ImageFont.load_default(max(_SMALLEST_FONT, round(_FONT_SHARE * mean_side)))
    texts = [
        _text(labels[label_id], score, font, (width, height))
        for label_id, score in zip(detections.label_ids, detections.scores, strict=True)
    ]
    _draw_captions(draw, texts, boxes, colors, font)
    return np.asarray(picture)


def write_picture(
    folder: Path, name: str, image: bytes, found: Result, *, mask_threshold: float
) -> None:
    """Write the picture of what was found in an image file as `folder`/`name`, a JPEG.

    A name with another suffix gets a second one: a.png becomes a.png.jpg, beside a.jpg.
    """
    if not isinstance(found, ObjectsFound):
        raise TypeError(f"only detections can be drawn, got {type(found)}")
    is_jpeg = name.lower().endswith((".jpg", ".jpeg"))
    path = folder / (name if is_jpeg else f"{name}.jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = draw_detections(
        decode_image(image), found.detections, found.labels, mask_threshold=mask_threshold
    )
    Image.fromarray(picture).save(path, quality=_QUALITY)


def label_color(label_id: int) -> Color:
    """Return the colour that a label has in every picture; near ids differ most."""
    saturation, value = _SHADES[label_id % len(_SHADES)]
    rgb = colorsys.hsv_to_rgb(label_id * _GOLDEN_RATIO % 1.0, saturation, value)
    red, green, blue = (round(255 * part) for part in rgb)
    return red, green, blue


def _draw_masks(
    picture: Image.Image,
    detections: Detections,
    colors: Sequence[Color],
    line: int,
    threshold: float,
) -> None:
    if detections.masks is None:
        return
    objects = list(zip(detections.masks, detections.boxes_xyxy, colors, strict=True))
    for grid, box_xyxy, color in reversed(objects):
        inside, left_top = mask_window(
            grid, box_xyxy, size_hw=(picture.height, picture.width), threshold=threshold
        )
        if inside.any():
            picture.paste(color, left_top, _opacity(inside, line))


def _opacity(inside: NDArray[np.bool_], line: int) -> Image.Image:
    """Thin within the mask, solid along its border."""
    whole = inside.view(np.uint8)
    side = 2 * ((line + 1) // 2) + 1
    core = cv2.erode(whole, np.ones((side, side), np.uint8), borderValue=0)
    return Image.fromarray(_SOLID * whole - (_SOLID - _THIN) * np.asarray(core, np.uint8))


def _pixels_of(box_xyxy: NDArray[np.float32], size_wh: tuple[int, int]) -> Rect:
    """Round a box to pixels of the picture, at least one."""
    x1, y1, x2, y2 = np.round(box_xyxy).astype(int).tolist()
    left, top = (min(max(v, 0), side - 1) for v, side in zip((x1, y1), size_wh, strict=True))
    right, bottom = min(max(x2, left + 1), size_wh[0]), min(max(y2, top + 1), size_wh[1])
    return left, top, right, bottom


def _draw_box(draw: ImageDraw.ImageDraw, box: Rect, color: Color, line: int) -> None:
    left, top, right, bottom = box[0], box[1], box[2] - 1, box[3] - 1
    halo = line // 2  # sets the line off from a background of its own colour
    outer = (left - halo, top - halo, right + halo, bottom + halo)
    draw.rectangle(outer, outline=_BLACK, width=line + 2 * halo)
    draw.rectangle((left, top, right, bottom), outline=color, width=line)


def _text(label: str, score: float, font: Font, picture_wh: tuple[int, int]) -> str:
    """Join label and score, the label shortened to what the picture's width has room for.

    Empty where a caption would hide more of the picture than it tells. Pillow's own font has only
    ASCII's letters, so accents are left out.
    """
    width, height = picture_wh
    percent = f"{score:.0%}"
    label = "".join(c for c in unicodedata.normalize("NFKD", label) if not unicodedata.combining(c))
    shortened = (f"{label[:n]}… {percent}" for n in range(len(label) - 1, 0, -1))
    texts = (f"{label} {percent}", *shortened, percent)
    fitting = (text for text in texts if _size(text, font)[0] <= width)
    return next(fitting, "") if _HEIGHTS * _size(percent, font)[1] <= height else ""


def _size(text: str, font: Font) -> tuple[int, int]:
    """Width and height of a caption in pixels, with its margin."""
    margin = _margin(font)
    return round(font.getlength(text)) + 2 * margin, round(font.getbbox("Áj")[3]) + margin


def _margin(font: Font) -> int:
    return max(1, round(font.getbbox("Áj")[3]) // 6)


def _draw_captions(
    draw: ImageDraw.ImageDraw,
    texts: Sequence[str],
    boxes: Sequence[Rect],
    colors: Sequence[Color],
    font: Font,
) -> None:
    taken: list[Rect] = []
    for text, box, color in zip(texts, boxes, colors, strict=True):
        if not text:
            continue
        place = _place(_size(text, font), box, draw.im.size, taken)
        ink = _BLACK if np.dot(color, (0.299, 0.587, 0.114)) > 140 else _WHITE
        draw.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=color)
        draw.text((place[0] + _margin(font), place[1]), text, fill=ink, font=font)
        taken.append(place)


def _place(
    size_wh: tuple[int, int], box: Rect, picture_wh: tuple[int, int], taken: Sequence[Rect]
) -> Rect:
    """Above the box, in it or below it, wherever the fewest pixels of other captions are hidden."""
    left, top, right, bottom = box
    width, height = size_wh
    corners = [
        (left, top - height),
        (left, top),
        (right - width, top - height),
        (left, bottom),
        (left, bottom - height),
        (right - width, bottom - height),
    ]
    places = [_inside(corner, size_wh, picture_wh) for corner in corners]
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))


def _inside(corner: tuple[int, int], size_wh: tuple[int, int], picture_wh: tuple[int, int]) -> Rect:
    left = max(0, min(corner[0], picture_wh[0] - size_wh[0]))
    top = max(0, min(corner[1], picture_wh[1] - size_wh[1]))
    return left, top, left + size_wh[0], top + size_wh[1]


def _overlap(one: Rect, other: Rect) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)
