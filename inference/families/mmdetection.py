"""MMDetection's names in job files from Azure: the nearest model here takes their place."""

import logging
from functools import cache

from inference.errors import UsageError
from inference.families.base import (
    FAMILIES,
    DetectorFamily,
    Family,
    Library,
    register_library,
)
from inference.types import Task

LOG = logging.getLogger(__name__)

_PREFIX = "mmd-3x-"
# What a name begins with behind the prefix, and what is trained instead.
SUBSTITUTES: dict[str, str] = {
    "deformable-detr": "deformable_detr",
    "mask-rcnn_swin-t": "maskrcnn_resnet50_fpn",
    "sparse-rcnn_r101": "fasterrcnn_resnet101_fpn",
    "sparse-rcnn": "fasterrcnn_resnet50_fpn",
    "vfnet": "retinanet_resnet50_fpn",
    "yolof": "retinanet_resnet50_fpn",
}


def _accepts(name: str, _: Task) -> bool:
    return name.startswith(_PREFIX)


def _find(name: str, _: Task) -> Family | DetectorFamily:
    architecture = name.removeprefix(_PREFIX)
    for beginning, substitute in SUBSTITUTES.items():
        if architecture.startswith(beginning):
            _announce(name, substitute)
            return FAMILIES[substitute]
    known = ", ".join(f"{_PREFIX}{beginning}…" for beginning in SUBSTITUTES)
    raise UsageError(f"MMDetection's {name} has no substitute here (there are for {known})")


@cache  # once a process
def _announce(name: str, substitute: str) -> None:
    LOG.warning(
        "ATTENTION: %s is a model of MMDetection, which is not part of this program. "
        "%s is trained in its place: another architecture, other weights, other results",
        name,
        substitute,
    )


register_library(Library("mmdetection", accepts=_accepts, find=_find))
