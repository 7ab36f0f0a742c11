"""How well a detector still finds an object in versions of its image."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_iou

from xai.detection.explainer import DetectorExplainer
from xai.quality.perturbation import Score


def recognition(
    explainer: DetectorExplainer, box_xyxy: NDArray[np.float32], label_id: int
) -> Score:
    """Return the score of images (N, 3, H, W) in 0…255, 8 bits each: (N,) in [0, 1].

    Of all that the detector proposes the best counts: IoU with the box, in pixels of the images,
    times the score of the class. Petsiuk et al., CVPR 2021 (arXiv 2006.03204), eq. 4, where the
    class is given.
    """
    box = torch.from_numpy(box_xyxy)[None]

    def score(images: Tensor) -> NDArray[np.float32]:
        pixels = images.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        proposed, geometry = explainer.propose(pixels)
        rows = torch.arange(len(proposed.scores), device=proposed.scores.device)
        boxes = proposed.boxes_of(rows, torch.full_like(rows, label_id))
        overlap = box_iou(box, torch.from_numpy(geometry.to_image(boxes.cpu().numpy())))[0]
        values = overlap * proposed.scores[:, label_id].cpu()
        best = torch.zeros(len(images)).scatter_reduce_(0, proposed.image_ids.cpu(), values, "amax")
        return np.asarray(best.numpy())

    return score
