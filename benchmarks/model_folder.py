"""Complete model folders with random weights: real sizes for load tests, without downloads."""

from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from inference.errors import UsageError
from inference.families import Family, family_for
from inference.model_folder import SCHEMA_VERSION, ModelFacts, Preprocessing
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from inference.settings import ClassificationSettings
from inference.types import Task
from training.export import write_model
from training.onnx_export import export_classifier


def write_random_model(
    family: str, folder: Path, *, labels: int, crop_size: int, resize_size: int
) -> None:
    """Write a classifier's weights, graph, facts and settings; the same in every run.

    `family` is any `model_name`, timm's too.
    """
    chosen = family_for(family, Task.CLASSIFICATION)
    if not isinstance(chosen, Family):
        tasks = ", ".join(sorted(task.value for task in chosen.tasks))
        raise UsageError(
            f"model-folder writes classifiers, and {family!r} is for {tasks}; name another "
            "model_name, for example resnet18 or timm/test_resnet"
        )
    torch.manual_seed(0)
    network = chosen.build(num_classes=labels, image_size=crop_size, pretrained=False)
    _calibrate(network, crop_size)
    facts = ModelFacts(
        schema_version=SCHEMA_VERSION,
        task=Task.CLASSIFICATION,
        family=chosen.library or chosen.name,
        image_size=crop_size,
        fixed_size=chosen.fixed_size,
        options=chosen.describe(network, crop_size),
        labels=tuple(f"label_{n}" for n in range(labels)),
        preprocessing=Preprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD),
        files={},
    )
    settings = ClassificationSettings(valid_resize_size=resize_size, valid_crop_size=crop_size)
    graphs = partial(export_classifier, image_size=crop_size, fixed_size=chosen.fixed_size)
    write_model(folder, network, facts, settings, write_graphs=graphs)


@torch.no_grad()
def _calibrate(network: nn.Module, crop_size: int) -> None:
    """Give BatchNorm the statistics of smooth noise, and leave the network in evaluation mode.

    With its initial ones the signal fades, and a deep network answers every photo alike: then
    nothing could be seen from comparing answers.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all batches
    network.train()
    for _ in range(4):
        coarse = torch.randn(8, 3, 7, 7)
        network(2.0 * F.interpolate(coarse, size=(crop_size, crop_size), mode="bilinear"))
    network.eval()
