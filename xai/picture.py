"""The picture of an explanation: a 2×2 grid without text, the same bytes for the same input."""

from io import BytesIO

import colorcet
import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEAT_OPACITY = 0.5
# 256 colours from blue over green and yellow to white
_BGYW = np.asarray(
    [[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in colorcet.palette["bgyw"]], np.uint8
)


def explanation_png(
    crop_rgb: NDArray[np.uint8],
    scores: NDArray[np.float32],
    *,
    clip_percentile: float,
    top_percent: float = 30.0,
) -> bytes:
    """Draw an explanation as a PNG of 2S × 2S pixels, from a crop (S, S, 3) and scores (S, S).

    Top left the crop as the model sees it; top right the scores in colorcet's bgyw, white highest
    and blue lowest; bottom left these colours blended over the crop; bottom right the `top_percent`
    of the crop's pixels with the highest scores, the others black.
    """
    heat = heat_map(scores, clip_percentile=clip_percentile)
    blend = np.rint(crop_rgb * (1 - HEAT_OPACITY) + heat * HEAT_OPACITY).astype(np.uint8)
    top = crop_rgb * top_mask(scores, fraction=top_percent / 100)[:, :, None]
    grid = np.block([[[crop_rgb], [heat]], [[blend], [top]]])
    file = BytesIO()
    Image.fromarray(grid).save(file, format="PNG")
    return file.getvalue()


def heat_map(scores: NDArray[np.float32], *, clip_percentile: float) -> NDArray[np.uint8]:
    """Colour scores (H, W) from their lowest value to their `clip_percentile`: (H, W, 3).

    Where that span is empty (a few high pixels on an even ground) it reaches to the highest value;
    an even map is blue.
    """
    low, high = scores.min(), np.percentile(scores, clip_percentile)
    if high <= low:
        high = scores.max()
    span = np.float64(high) - low
    level = (scores - np.float64(low)) / (span if span > 0 else 1.0)
    return _BGYW[np.rint(level.clip(0, 1) * (len(_BGYW) - 1)).astype(np.intp)]


def top_mask(scores: NDArray[np.float32], *, fraction: float) -> NDArray[np.bool_]:
    """Mark exactly this fraction of the pixels (rounded), by rank.

    Ties go to the first in raster order. A threshold would not do: XRAI's scores are equal over
    whole regions.
    """
    chosen = np.argsort(-scores.ravel(), kind="stable")[: round(fraction * scores.size)]
    mask = np.zeros(scores.size, dtype=np.bool_)
    mask[chosen] = True
    return mask.reshape(scores.shape)
