"""The eager network of a model folder: for explanations, which need gradients, and as an engine."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from inference.errors import ModelFolderError
from inference.families import family_named
from inference.model_folder import ModelFolder


def load_network(folder: ModelFolder, *, device: str = "cpu") -> nn.Module:
    """Rebuild the network and load its float32 weights; in evaluation mode, gradients off.

    Raises ModelFolderError when the weights do not fit the network that model.json describes.
    """
    facts = folder.facts
    network = family_named(facts.family).build(
        num_classes=len(facts.labels), image_size=facts.image_size, pretrained=False
    )
    try:
        network.load_state_dict(load_file(folder.weights_path))
    except (RuntimeError, SafetensorError) as error:
        raise ModelFolderError(
            f"{folder.weights_path} does not fit a {facts.family} "
            f"with {len(facts.labels)} classes: {error}"
        ) from None
    return network.to(torch.device(device)).eval().requires_grad_(False)
