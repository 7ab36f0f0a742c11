"""From a checkpoint, a description or nothing at all to a network of the library."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from inference.errors import UsageError
from inference.families.transformers_detectors.network import TransformersDetector

CHECKPOINTS = {
    "rt_detr_v2": "PekingU/rtdetr_v2_r18vd",
    "d_fine": "ustc-community/dfine-small-coco",
}
# What model.json knows better, and facts about a checkpoint's file.
_NOT_NEEDED = frozenset(
    {
        "_name_or_path",
        "architectures",
        "dtype",
        "id2label",
        "label2id",
        "model_type",
        "transformers_version",
    }
)
# The architectures of CHECKPOINTS, for random weights; their normalisations must learn.
_SMALL: dict[str, dict[str, Any]] = {
    "rt_detr_v2": {
        "backbone_config": {
            "model_type": "rt_detr_resnet",
            "layer_type": "basic",
            "depths": [2, 2, 2, 2],
            "hidden_sizes": [64, 128, 256, 512],
            "out_indices": [2, 3, 4],
        },
        "encoder_in_channels": [128, 256, 512],
        "hidden_expansion": 0.5,
        "decoder_layers": 3,
        "freeze_backbone_batch_norms": False,
    },
    "d_fine": {
        "backbone_config": {
            "model_type": "hgnet_v2",
            "hidden_sizes": [128, 256, 512, 1024],
            "stem_channels": [3, 16, 16],
            "stage_in_channels": [16, 64, 256, 512],
            "stage_mid_channels": [16, 32, 64, 128],
            "stage_out_channels": [64, 256, 512, 1024],
            "stage_num_blocks": [1, 1, 2, 1],
            "stage_numb_of_layers": [3, 3, 3, 3],
            "use_learnable_affine_block": True,
            "out_indices": [2, 3, 4],
        },
        "encoder_in_channels": [256, 512, 1024],
        "hidden_expansion": 0.5,
        "depth_mult": 0.34,
        "decoder_layers": 3,
        "decoder_n_points": [3, 6, 3],
        "freeze_backbone_batch_norms": False,
    },
}


def build(
    family: str, *, num_classes: int, options: Mapping[str, Any], pretrained: bool
) -> nn.Module:
    """Make a detector from the `config` of `describe`, else from `model_checkpoint`.

    Without `pretrained` only the config.json of a checkpoint is used, and only if it is a local
    folder: nothing is fetched, and the architecture is a small one of the family. Raises OSError
    when a checkpoint cannot be fetched, UsageError when it is of another architecture.
    """
    library = _library()
    checkpoint = str(options.get("model_checkpoint", CHECKPOINTS[family]))
    if "config" in options:
        values, pretrained = options["config"], False
    elif pretrained or Path(checkpoint).is_dir():
        values = _checkpoint_values(library, checkpoint, family)
    else:
        values = _SMALL[family]
    config = _config(library, family, values, num_classes)
    auto = library.AutoModelForObjectDetection
    if pretrained:
        detector = auto.from_pretrained(
            checkpoint, config=config, dtype=torch.float32, ignore_mismatched_sizes=True
        )
    else:
        detector = _with_fresh_norms(auto.from_config(config, dtype=torch.float32))
    return TransformersDetector(detector).train()


def describe(network: Any) -> dict[str, Any]:
    """Return the whole configuration as `build` takes it, with what is a default today."""
    values = json.loads(network.detector.config.to_json_string(use_diff=False))
    return {"config": _needed(values)}


def _library() -> ModuleType:
    """Import transformers and keep its notes and progress bars from the terminal."""
    import huggingface_hub
    import transformers

    huggingface_hub.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def _checkpoint_values(library: Any, checkpoint: str, family: str) -> dict[str, Any]:
    values, _ = library.PreTrainedConfig.get_config_dict(checkpoint)
    architecture = values.get("model_type", "unknown")
    if architecture != family:
        raise UsageError(
            f"model_checkpoint {checkpoint} has the architecture {architecture}, but "
            f"{family} needs its own, for example {CHECKPOINTS[family]}"
        )
    return _needed(values)


def _needed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _NOT_NEEDED}


def _config(library: Any, family: str, values: Mapping[str, Any], num_classes: int) -> Any:
    """Make a configuration whose anchors and positions are those of the canvas, of any size."""
    any_size = {"anchor_image_size": None, "eval_size": None}
    return library.AutoConfig.for_model(family, **{**values, **any_size, "num_labels": num_classes})


def _with_fresh_norms(detector: nn.Module) -> nn.Module:
    """Let normalisations start at gain 1; RT-DETRv2 draws gains near 0, which delay learning."""
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return detector
