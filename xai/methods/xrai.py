"""XRAI: attributions of regions (Kapishnikov et al., 2019, arXiv 1906.02825)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from inference.schema import XaiParameters
from xai.merging import region_map
from xai.methods.base import (
    Attributions,
    Method,
    PathDefaults,
    Subject,
    first_channel,
    path_integral,
    register,
)
from xai.paths import Checkpoint

_DEFAULTS = PathDefaults(n_steps=50, baselines=("image_min", "image_max"))


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Attributions:
    """Rank regions by the mean of their pixels' highest channel; equal in all channels.

    Regions depend on the image alone and are found in a thread while the gradients are computed.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        segments = pool.submit(subject.find_segments, subject.image.permute(1, 2, 0).cpu().numpy())
        found = path_integral(subject, parameters, _DEFAULTS, checkpoint)
        pixel_maps = found.attributions.amax(dim=1).cpu().numpy()
        maps = [
            region_map(pixels, segments.result(), fast=parameters.xrai_fast)
            for pixels in pixel_maps
        ]
    stacked = torch.from_numpy(np.stack(maps).astype(np.float32))
    return Attributions(stacked[:, None].repeat(1, subject.image.shape[0], 1, 1), found.convergence)


register(Method("xrai", _run, to_scores=first_channel, clip_percentile=100.0, path=_DEFAULTS))
