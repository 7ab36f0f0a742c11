"""The way from an image to its canvas, which only tests need for boxes."""

import numpy as np
from numpy.typing import NDArray

from inference.canvas import Geometry


def to_canvas(geometry: Geometry, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (…, 4) from image to canvas pixels."""
    origin, scale, offset = (
        np.tile(pair, 2)
        for pair in (geometry.region_xyxy[:2], geometry.scale_xy, geometry.offset_xy)
    )
    return ((boxes_xyxy - origin) * scale + offset).astype(np.float32)
