"""The eager network of a model folder: for explanations, which need gradients, and as an engine."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from inference.errors import ModelFolderError
from inference.families import classifier_named, detector_named
from inference.model_folder import ModelFacts, ModelFolder
from inference.types import CLASSIFICATION_TASKS


def load_network(folder: ModelFolder, *, device: str = "cpu") -> nn.Module:
    """Rebuild the network and load its float32 weights; in evaluation mode, gradients off.

    Raises ModelFolderError when the weights do not fit the network that model.json describes.
    """
    facts = folder.facts
    network = build_network(facts)
    try:
        network.load_state_dict(load_file(folder.weights_path))
    except (RuntimeError, SafetensorError) as error:
        raise ModelFolderError(
            f"{folder.weights_path} does not fit a {facts.family} "
            f"with {len(facts.labels)} classes: {error}"
        ) from None
    return network.to(torch.device(device)).eval().requires_grad_(False)


def build_network(facts: ModelFacts) -> nn.Module:
    """Build the network that model.json describes, with random weights."""
    classes = len(facts.labels)
    if facts.task in CLASSIFICATION_TASKS:
        return classifier_named(facts.family, facts.options).build(
            num_classes=classes, image_size=facts.image_size, pretrained=False
        )
    return detector_named(facts.family).build(
        num_classes=classes, options=facts.options, pretrained=False
    )
