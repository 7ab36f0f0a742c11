"""Does a network from a hub take the images that a job is about to train it on?"""

import torch
from torch import nn

from inference.errors import UsageError


def check_forward(network: nn.Module, *, name: str, classes: int, image_size: int) -> None:
    """Run one blank image. Raises UsageError unless logits of all classes come out."""
    with torch.no_grad():
        try:
            shape = tuple(network.eval()(torch.zeros(1, 3, image_size, image_size)).shape)
        except Exception as error:  # a library's own code, which may raise anything
            reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
            raise UsageError(
                f"{name} cannot take images of {image_size} x {image_size} pixels: {reason}"
            ) from None
    if shape != (1, classes):
        raise UsageError(f"{name} gives outputs of shape {shape} where (1, {classes}) is wanted")
