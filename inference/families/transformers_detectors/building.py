"""From a checkpoint, a description or nothing at all to a network of the library."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inference.errors import UsageError
from inference.families.transformers_detectors.small import SMALL
from inference.hub.library import needed_values, transformers_library
from inference.hub.snapshots import Snapshot, describe_checkpoint, load_pretrained

# The default checkpoint of each architecture.
CHECKPOINTS = {
    "rt_detr_v2": "PekingU/rtdetr_v2_r18vd",
    "d_fine": "ustc-community/dfine-small-coco",
    "rt_detr": "PekingU/rtdetr_r18vd",
    "detr": "facebook/detr-resnet-50",
    "conditional_detr": "microsoft/conditional-detr-resnet-50",
    "deformable_detr": "SenseTime/deformable-detr",
    "table-transformer": "microsoft/table-transformer-detection",
    "mask2former": "facebook/mask2former-swin-small-coco-instance",
}
WITH_MASKS = frozenset({"mask2former"})
# Anchors and positions are those of the canvas, of any size.
_ANY_SIZE = {"anchor_image_size": None, "eval_size": None}
_HAVE_A_SIZE = ("rt_detr", "rt_detr_v2", "d_fine")

Wrap = Callable[[nn.Module], nn.Module]


def build(
    family: str,
    wrap: Wrap,
    heads: Sequence[str],
    *,
    num_classes: int,
    options: Mapping[str, Any],
    pretrained: bool,
) -> nn.Module:
    """Make a detector from the `config` of `describe`, else from `model_checkpoint`.

    Without `pretrained` only the config.json of a checkpoint is used, and only if it is a local
    folder: nothing is fetched, and the architecture is a small one of the family. Raises UsageError
    when a checkpoint cannot be fetched, is of another architecture or does not hold all weights.
    """
    library = transformers_library()
    checkpoint = str(options.get("model_checkpoint", CHECKPOINTS[family]))
    if "config" in options:
        return wrap(_random(library, family, options["config"], num_classes)).train()
    if not pretrained and not Path(checkpoint).is_dir():
        return wrap(_random(library, family, SMALL[family], num_classes)).train()
    snapshot = describe_checkpoint(checkpoint)
    values = _checkpoint_values(snapshot, family)
    if not pretrained:
        return wrap(_random(library, family, values, num_classes)).train()
    config = _config(library, family, values, num_classes)
    return wrap(_pretrained(_kind(library, family), snapshot, config, heads)).train()


def describe(network: Any) -> dict[str, Any]:
    """Return the whole configuration as `build` takes it, with what is a default today."""
    values = json.loads(network.detector.config.to_json_string(use_diff=False))
    return {"config": needed_values(values)}


def model_type_of(snapshot: Snapshot) -> str:
    """Say which architecture a checkpoint has."""
    return str(_read_config(snapshot).get("model_type", "unknown"))


def _read_config(snapshot: Snapshot) -> dict[str, Any]:
    file = snapshot.folder / "config.json"
    if not file.is_file():
        raise UsageError(f"{snapshot.name} has no config.json; is it a model of transformers?")
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return values


def _checkpoint_values(snapshot: Snapshot, family: str) -> dict[str, Any]:
    architecture = model_type_of(snapshot)
    if architecture != family:
        raise UsageError(
            f"model_checkpoint {snapshot.name} has the architecture {architecture}, but "
            f"{family} needs its own, for example {CHECKPOINTS[family]}"
        )
    return needed_values(_read_config(snapshot))


def _config(library: Any, family: str, values: Mapping[str, Any], num_classes: int) -> Any:
    any_size = _ANY_SIZE if family in _HAVE_A_SIZE else {}
    return library.AutoConfig.for_model(family, **{**values, **any_size, "num_labels": num_classes})


def _random(library: Any, family: str, values: Mapping[str, Any], num_classes: int) -> nn.Module:
    """Make a network whose weights may all learn.

    Normalisations start at gain 1; RT-DETRv2 draws gains near 0, which delay learning.
    """
    config = _config(library, family, values, num_classes)
    detector: nn.Module = _kind(library, family).from_config(config, dtype=torch.float32)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return detector.requires_grad_(True)


def _kind(library: Any, family: str) -> Any:
    if family in WITH_MASKS:
        return library.AutoModelForUniversalSegmentation
    return library.AutoModelForObjectDetection


def _pretrained(kind: Any, snapshot: Snapshot, config: Any, heads: Sequence[str]) -> nn.Module:
    """Load all weights but those of other classes."""
    detector, report = load_pretrained(kind, snapshot, config)
    may_be_new = tuple(head.removeprefix("detector.") for head in heads)
    own = {name for name, _ in detector.named_parameters()}  # without second names
    missing = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    new = sorted(name for name in missing & own if not name.startswith(may_be_new))
    if new:
        raise UsageError(
            f"the weights of {snapshot.name} do not fit its config.json: {len(new)} tensors are "
            f"missing or have another shape, first {new[0]!r}; they would start at random"
        )
    return detector
