"""The picture of one object's explanation, without text, the same bytes for the same input."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xai.picture import heat_map

_FAINT, _STRONG = 0.25, 0.75  # opacity of the lowest and of the highest values
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_CLIP_PERCENTILE = 99.9


def object_png(
    image_rgb: NDArray[np.uint8],
    map_hw: NDArray[np.float32],
    *,
    box_xyxy: Sequence[float],
    rings: Sequence[Sequence[float]] = (),
) -> bytes:
    """Draw a map over its image (H, W, 3) as a PNG of that size, and where the object is.

    The map's colours are colorcet's bgyw, white highest and blue lowest, and more opaque the higher
    the value. The box, and the outline `rings` (x1, y1, x2, y2, …) if there is one, are in pixels
    of `image_rgb`.
    """
    picture = Image.fromarray(_blended(image_rgb, map_hw))
    draw = ImageDraw.Draw(picture)
    line = max(1, round(0.004 * (image_rgb.shape[0] * image_rgb.shape[1]) ** 0.5))
    corners = _box_around(box_xyxy, margin=2 * line)  # a line on a small box would hide its map
    for points in (corners, *(_closed(ring) for ring in rings)):
        draw.line(points, fill=_BLACK, width=3 * line, joint="curve")
        draw.line(points, fill=_WHITE, width=line, joint="curve")
    file = BytesIO()
    picture.save(file, format="PNG", compress_level=3)
    return file.getvalue()


def _blended(image_rgb: NDArray[np.uint8], map_hw: NDArray[np.float32]) -> NDArray[np.uint8]:
    top = np.percentile(map_hw, _CLIP_PERCENTILE)
    top = top if top > 0 else map_hw.max()
    level = (map_hw / top if top > 0 else map_hw).clip(0, 1)[:, :, None]
    opacity = _FAINT + (_STRONG - _FAINT) * level
    heat = heat_map(map_hw, clip_percentile=_CLIP_PERCENTILE)
    return np.rint(image_rgb * (1 - opacity) + heat * opacity).astype(np.uint8)


def _box_around(box_xyxy: Sequence[float], *, margin: float) -> list[float]:
    x1, y1 = (side - margin for side in box_xyxy[:2])
    x2, y2 = (side + margin for side in box_xyxy[2:])
    return [x1, y1, x2, y1, x2, y2, x1, y2, x1, y1]


def _closed(ring: Sequence[float]) -> list[float]:
    return [*ring, *ring[:2]]
