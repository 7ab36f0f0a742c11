"""XRAI: attributions of regions (Kapishnikov et al., 2019, arXiv 1906.02825)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.schema import XaiParameters
from xai.gradients import Network
from xai.merging import region_map
from xai.methods.base import Method, Subject, register
from xai.paths import Checkpoint, Path, Quadrature, integrate, no_checkpoint, quadrature
from xai.segments import find_segments


def xrai(
    network: Network,
    image: Tensor,
    targets: tuple[int, ...],
    *,
    rule: Quadrature,
    fast: bool,
    checkpoint: Checkpoint = no_checkpoint,
) -> Tensor:
    """Rank the image's regions: (targets, C, H, W) for an image (C, H, W), equal in all channels.

    Regions depend on the image alone and are found in a thread while the gradients are computed.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        segments = pool.submit(find_segments, image.permute(1, 2, 0).cpu().numpy())
        pixel_maps = pixel_attributions(network, image, targets, rule=rule, checkpoint=checkpoint)
        maps = [region_map(pixels, segments.result(), fast=fast) for pixels in pixel_maps]
    stacked = torch.from_numpy(np.stack(maps).astype(np.float32))
    return stacked[:, None].repeat(1, image.shape[0], 1, 1)


def pixel_attributions(
    network: Network,
    image: Tensor,
    targets: tuple[int, ...],
    *,
    rule: Quadrature,
    checkpoint: Checkpoint = no_checkpoint,
) -> NDArray[np.float32]:
    """Integrated gradients as XRAI ranks regions by: (targets, H, W) for an image (C, H, W).

    The mean over two baselines, constant images at the lowest and the highest value of the
    normalised image, and then the maximum over the channels.
    """
    baselines = (
        torch.full_like(image, float(image.min())),
        torch.full_like(image, float(image.max())),
    )
    paths = [Path(image, baseline, targets) for baseline in baselines]
    results = integrate(network, paths, rule, checkpoint=checkpoint)
    pixels: NDArray[np.float32] = torch.stack(results).mean(dim=0).amax(dim=1).cpu().numpy()
    return pixels


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Tensor:
    return xrai(
        subject.network,
        subject.image,
        subject.targets,
        rule=quadrature(parameters.n_steps, parameters.approximation_method),
        fast=parameters.xrai_fast,
        checkpoint=checkpoint,
    )


def _region_scores(attribution: NDArray[np.float32]) -> NDArray[np.float32]:
    return attribution[0]


register(Method("xrai", _run, to_scores=_region_scores, clip_percentile=100.0))
