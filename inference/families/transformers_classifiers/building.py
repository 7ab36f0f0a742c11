"""From a checkpoint, or the configuration that model.json keeps, to a network of the library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inference.errors import UsageError
from inference.hub.activations import has_guided_rule, spell_activations
from inference.hub.cam import find_cam
from inference.hub.checks import check_forward
from inference.hub.library import needed_values, transformers_library
from inference.hub.snapshots import Snapshot, load_pretrained, unreachable
from inference.names import unknown_name

LIBRARY = "transformers"
_MOST_OF_IT = 0.5  # share of a network's parameters that its blocks have together


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A classifier's configuration, and where its weights are; None for one that has none here."""

    name: str
    snapshot: Snapshot | None
    licence: str | None
    values: Mapping[str, Any]

    def provenance(self) -> dict[str, str | None]:
        """What model.json keeps of it."""
        revision = self.snapshot.revision if self.snapshot else None
        return {"name": self.name, "revision": revision, "licence": self.licence}


class TransformersClassifier(nn.Module):
    """A classifier of the library, under the name `model`: images (N, 3, S, S) to logits (N, C)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits alone."""
        logits: Tensor = self.model(pixel_values=images).logits
        return logits


def config_of(snapshot: Snapshot) -> dict[str, Any]:
    """Read a checkpoint's configuration, `model_type` included; no code of its own is run.

    Raises UsageError for one that is no image classifier of the library.
    """
    library = transformers_library()
    file = snapshot.folder / "config.json"
    if not file.is_file():
        raise UsageError(f"{snapshot.name} has no config.json; is it a model of transformers?")
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    kind = str(values.get("model_type", "without a model_type"))
    if kind not in _classifier_types(library):
        problem = unknown_name("model_type", kind, _classifier_types(library))
        raise UsageError(f"{snapshot.name} is no image classifier of transformers: {problem}")
    return {**needed_values(values), "model_type": kind, "architectures": _own(values)}


def _classifier_types(library: Any) -> frozenset[str]:
    mapping = library.models.auto.modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    return frozenset(mapping)


def _own(values: Mapping[str, Any]) -> list[str]:
    """Architectures that are classifiers: distilled ones have two heads."""
    return [name for name in values.get("architectures") or [] if "ImageClassification" in name]


def build(
    checkpoint: Checkpoint, *, num_classes: int, image_size: int, pretrained: bool
) -> nn.Module:
    """Make a classifier with new heads. Raises UsageError for weights that do not fit."""
    library = transformers_library()
    config = _config(library, checkpoint.values, num_classes)
    if pretrained:
        model = _pretrained(library, checkpoint, config)
    else:
        model = library.AutoModelForImageClassification.from_config(config, dtype=torch.float32)
    network = TransformersClassifier(spell_activations(model))
    check_forward(network, name=checkpoint.name, classes=num_classes, image_size=image_size)
    return network.train()


def _config(library: Any, values: Mapping[str, Any], num_classes: int) -> Any:
    others = {name: value for name, value in values.items() if name != "model_type"}
    return library.AutoConfig.for_model(
        values["model_type"], **{**others, "num_labels": num_classes}
    )


def _pretrained(library: Any, checkpoint: Checkpoint, config: Any) -> nn.Module:
    """Load all weights but those of the heads, which stay new even where they would fit."""
    if checkpoint.snapshot is None:
        raise unreachable(checkpoint.name, OSError("it was not reached for its description either"))
    kind = library.AutoModelForImageClassification
    model, report = load_pretrained(kind, checkpoint.snapshot, config)
    heads = tuple(head.removeprefix("model.") for head in anatomy(checkpoint.values)[0])
    missing = sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})
    new = [name for name in missing if not name.startswith(heads)]
    if new:
        raise UsageError(
            f"the weights of {checkpoint.name} do not fit its config.json: {len(new)} tensors are "
            f"missing or have another shape, first {new[0]!r}; they would start at random"
        )
    for head in heads:
        model.get_submodule(head).reset_parameters()
    return model


def anatomy(values: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Names of the heads, and groups of modules from shallow to deep, for freezing.

    Heads are the modules whose tensors change with the number of classes.
    """
    library = transformers_library()
    networks = [_without_storage(library, values, classes) for classes in (2, 3)]
    two, three = ({n: t.shape for n, t in one.state_dict().items()} for one in networks)
    heads = dict.fromkeys(n.rpartition(".")[0] for n in two if two[n] != three.get(n))
    if not heads:
        raise UsageError(f"a {values['model_type']} has no head that depends on the classes")
    return tuple(heads), _freeze_groups(networks[0])


def _without_storage(library: Any, values: Mapping[str, Any], classes: int) -> Any:
    with torch.device("meta"):
        model = library.AutoModelForImageClassification.from_config(
            _config(library, values, classes), dtype=torch.float32
        )
        return TransformersClassifier(model)


def _freeze_groups(network: Any) -> tuple[tuple[str, ...], ...]:
    """What comes before the list of blocks that holds most of the body, then block by block."""
    body = network.model.base_model
    (prefix,) = (name for name, module in network.named_modules() if module is body)
    total = _size(body)
    for name, module in body.named_modules():
        if isinstance(module, nn.ModuleList) and _size(module) > _MOST_OF_IT * total:
            root, blocks = name.partition(".")[0], f"{prefix}.{name}"
            children = [child for child, _ in body.named_children()]
            before = tuple(f"{prefix}.{child}" for child in children[: children.index(root)])
            rest = tuple((f"{blocks}.{index}",) for index in range(len(module)))
            return (before, *rest) if before else rest
    return ()


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def describe(network: Any, image_size: int) -> dict[str, Any]:
    """Say what rebuilds a network offline, and which explanations it has."""
    config = network.model.config
    values = needed_values(json.loads(config.to_json_string(use_diff=False)))
    kept = {
        **values,
        "model_type": config.model_type,
        "architectures": [type(network.model).__name__],
    }
    return {
        "config": kept,
        "heads": list(anatomy(kept)[0]),
        "cam": find_cam(network, image_size=image_size),
        "guided_rule": has_guided_rule(network),
    }
