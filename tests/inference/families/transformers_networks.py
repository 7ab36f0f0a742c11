"""Detectors of the library that are small enough to train in a test, and pictures for them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inference.candidates import BoxTargets
from inference.families import detector_named

NAMES = ("rt_detr", "rt_detr_v2", "d_fine")
QUERY_NAMES = ("detr", "table-transformer", "conditional_detr", "deformable_detr")
SIZE = 64


def tiny_config(name: str, *, width: int = 32) -> dict[str, Any]:
    """Four backbone stages of width/4 to 2 · width channels, 30 queries."""
    channels = [width // 4, width // 2, width, 2 * width]
    resnet = {
        "model_type": "rt_detr_resnet",
        "layer_type": "basic",
        "embedding_size": channels[0],
        "depths": [1, 1, 1, 1],
    }
    hgnet = {
        "model_type": "hgnet_v2",
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, *channels[:3]],
        "stage_mid_channels": [8, *channels[:3]],
        "stage_out_channels": channels,
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
    }
    if name == "mask2former":
        return _mask_config(width)
    if name in QUERY_NAMES:
        return _query_config(name, width=width)
    backbone = hgnet if name == "d_fine" else resnet
    return {
        "backbone_config": {**backbone, "hidden_sizes": channels, "out_indices": [2, 3, 4]},
        "freeze_backbone_batch_norms": False,
        "encoder_in_channels": channels[1:],
        "encoder_hidden_dim": width,
        "encoder_ffn_dim": 2 * width,
        "encoder_attention_heads": 4,
        "hidden_expansion": 0.5,
        "d_model": width,
        "decoder_in_channels": [width] * 3,
        "decoder_ffn_dim": 2 * width,
        "decoder_attention_heads": 4,
        "decoder_layers": 2,
        "num_queries": 30,
        "num_denoising": 20,
    }


def _resnet(width: int, stages: Sequence[str]) -> dict[str, Any]:
    return {
        "model_type": "resnet",
        "layer_type": "basic",
        "embedding_size": width // 4,
        "depths": [1, 1, 1, 1],
        "hidden_sizes": [width // 4, width // 2, width, 2 * width],
        "out_features": list(stages),
    }


def _mask_config(width: int) -> dict[str, Any]:
    return {
        "backbone_config": _resnet(width, ["stage1", "stage2", "stage3", "stage4"]),
        "feature_size": width,
        "mask_feature_size": width,
        "hidden_dim": width,
        "num_attention_heads": 4,
        "encoder_feedforward_dim": width,
        "dim_feedforward": 2 * width,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "num_queries": 10,
        "train_num_points": 256,
    }


def _query_config(name: str, *, width: int) -> dict[str, Any]:
    stages = ["stage2", "stage3", "stage4"] if name == "deformable_detr" else ["stage4"]
    return {
        "backbone_config": _resnet(width, stages),
        "d_model": width,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": width,
        "decoder_ffn_dim": width,
        "num_queries": 10,
    }


def side_of(name: str) -> int:
    """Side of a canvas that a tiny network sees something on."""
    return 2 * SIZE if name == "deformable_detr" else SIZE


def tiny(name: str, *, num_classes: int = 3, **config: Any) -> Any:
    torch.manual_seed(0)
    options = {"config": {**tiny_config(name), **config}}
    return detector_named(name).build(num_classes=num_classes, options=options, pretrained=False)


def noise(count: int, *, height: int = SIZE, width: int = SIZE) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def targets_of(*boxes_and_labels: tuple[Sequence[Sequence[float]], Sequence[int]]) -> list[Any]:
    return [
        BoxTargets(torch.tensor(boxes).reshape(-1, 4).float(), torch.tensor(labels).long())
        for boxes, labels in boxes_and_labels
    ]


NOTHING: tuple[list[list[float]], list[int]] = ([], [])
TWO: tuple[list[list[float]], list[int]] = ([[0, 16, 32, 48], [32, 32, 64, 64]], [0, 2])
TWO_SHARES = [[0.25, 0.5, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]]  # centers and sizes


def settled(name: str) -> Any:
    """A network whose normalisations know the noise, in evaluation mode."""
    network = tiny(name)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(noise(4))
    return network.eval()
