"""Any image classifier of the Hugging Face hub or of a local folder: transformers' networks.

A job names a checkpoint; model.json keeps its configuration, so a server asks no hub.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from inference.errors import UsageError
from inference.families.base import Family, Library, register_library
from inference.families.transformers_classifiers.building import (
    LIBRARY,
    Checkpoint,
    anatomy,
    build,
    config_of,
    describe,
)
from inference.families.transformers_classifiers.curated import CURATED
from inference.hub.cam import cam_layer
from inference.hub.image_processors import Preparation, preparation_of
from inference.hub.snapshots import Snapshot, describe_checkpoint, is_checkpoint
from inference.types import CLASSIFICATION_TASKS, Task

_LEARNING_RATE = 1e-4
_BATCH_SIZE = 32


def _accepts(name: str, task: Task) -> bool:
    return task in CLASSIFICATION_TASKS and is_checkpoint(name)


def _find(name: str, _: Task) -> Family:
    try:
        snapshot = describe_checkpoint(name)
    except UsageError:
        if name not in CURATED:
            raise
        known = CURATED[name]  # enough for `pretrained: false` and `weights: PATH`
        return _family(Checkpoint(name, None, known.licence, known.config), known.preparation)
    return _described(snapshot, *(_text(snapshot.folder / file) for file in _FILES))


_FILES = ("config.json", "preprocessor_config.json", "processor_config.json")


@lru_cache(maxsize=32)  # a sweep asks for a family hundreds of times
def _described(snapshot: Snapshot, *_: str) -> Family:
    """Read a checkpoint; the texts of its files are there to notice a change."""
    values = config_of(snapshot)
    checkpoint = Checkpoint(snapshot.name, snapshot, snapshot.licence, values)
    return _family(checkpoint, preparation_of(snapshot.folder, image_size=_native_size(values)))


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _native_size(values: Mapping[str, Any]) -> int:
    size = values.get("image_size") or 224
    return int(size[0] if isinstance(size, list | tuple) else size)


def _family(checkpoint: Checkpoint, prepared: Preparation) -> Family:
    heads, freeze_groups = anatomy(checkpoint.values)
    defaults = {
        "learning_rate": _LEARNING_RATE,
        "optimizer": "adamw",
        "training_batch_size": _BATCH_SIZE,
        "validation_batch_size": _BATCH_SIZE,
        "training_crop_size": prepared.crop_size,
        "validation_crop_size": prepared.crop_size,
        "validation_resize_size": prepared.resize_size,
    }
    return Family(
        name=checkpoint.name,
        build=partial(build, checkpoint),
        head=heads[0],
        more_heads=heads[1:],
        cam=None,  # what `describe` finds, a folder's family knows
        freeze_groups=freeze_groups,
        fixed_size=True,
        only_size=prepared.crop_size,
        preprocessing=prepared.preprocessing,
        defaults=dict.fromkeys(CLASSIFICATION_TASKS, defaults),
        library=LIBRARY,
        describe=describe,
        source=checkpoint.provenance,
    )


def _rebuild(options: Mapping[str, Any]) -> Family:
    checkpoint = Checkpoint(LIBRARY, None, None, options["config"])
    head, *more_heads = options["heads"]
    return Family(
        name=LIBRARY,
        build=partial(build, checkpoint),
        head=head,
        more_heads=tuple(more_heads),
        cam=cam_layer(options["cam"]),
        has_guided_rule=options["guided_rule"],
        freeze_groups=(),
        fixed_size=True,
        library=LIBRARY,
        describe=describe,
    )


register_library(Library(LIBRARY, accepts=_accepts, find=_find, rebuild=_rebuild))
