"""DETR and its successors, transformers' networks and weights; they find objects without NMS.

RT-DETR (arXiv 2304.08069), RT-DETRv2 (2407.17140), D-FINE (2410.13842), DETR (2005.12872, also as
table-transformer), Conditional DETR (2108.06152), Deformable DETR (2010.04159), and for instance
segmentation Mask2Former (2112.01527). The library takes seconds to import; building a network does.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from inference.errors import UsageError
from inference.families.base import (
    ClassRows,
    DetectorFamily,
    Library,
    detector_named,
    register,
    register_library,
)
from inference.families.transformers_detectors import masks, network, queries
from inference.families.transformers_detectors.building import (
    CHECKPOINTS,
    WITH_MASKS,
    build,
    describe,
    model_type_of,
)
from inference.hub.snapshots import describe_checkpoint, is_checkpoint
from inference.types import Task

_BACKBONE = "detector.model.backbone.model"
_DEFAULTS = {
    "learning_rate": 1e-4,
    "optimizer": "adamw",
    "training_batch_size": 8,
    "validation_batch_size": 8,
    "box_score_threshold": 0.3,
    "nms_iou_threshold": 1.0,
}
_REAL_TIME_HEADS = (
    "detector.model.decoder.class_embed",
    "detector.model.enc_score_head",
    "detector.model.denoising_class_embed",
)
_MASK_HEADS = (
    "detector.class_predictor",
    "detector.criterion",  # the weights of the classes in the loss, constants
)
# Of those in DETR's way: the heads, and whether their scores are a softmax with "no object".
_QUERIES = {
    "detr": (("detector.class_labels_classifier",), True),
    "table-transformer": (("detector.class_labels_classifier",), True),
    "conditional_detr": (("detector.class_labels_classifier",), False),
    "deformable_detr": (("detector.class_embed", "detector.model.decoder.class_embed"), False),
}

for _name in ("rt_detr", "rt_detr_v2", "d_fine"):
    register(
        DetectorFamily(
            name=_name,
            build=partial(build, _name, network.TransformersDetector, _REAL_TIME_HEADS),
            outputs=network.OUTPUTS,
            decode=network.decode,
            losses=network.losses,
            read_evidence=network.read_evidence,
            heads=_REAL_TIME_HEADS,
            class_rows={"detector.model.denoising_class_embed": ClassRows(after=1)},  # padding
            freeze_groups=(
                (f"{_BACKBONE}.embedder",),
                *((f"{_BACKBONE}.encoder.stages.{stage}",) for stage in range(4)),
            ),
            canvas="letterbox",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            option_names=("model_checkpoint",),
            describe=describe,
            averaged=True,
            clip_norm=0.1,
            defaults=_DEFAULTS,
        )
    )

for _name, (_heads, _is_softmax) in _QUERIES.items():
    register(
        DetectorFamily(
            name=_name,
            build=partial(build, _name, queries.QueryDetector, _heads),
            outputs=network.OUTPUTS,
            decode=queries.decode_softmax if _is_softmax else network.decode,
            losses=queries.losses,
            read_evidence=queries.read_evidence_softmax
            if _is_softmax
            else queries.read_evidence_sigmoid,
            heads=_heads,
            class_rows={_heads[0]: ClassRows(after=1)} if _is_softmax else {},  # "no object"
            freeze_groups=(("detector.model.backbone",),),
            canvas="letterbox",
            option_names=("model_checkpoint",),
            describe=describe,
            clip_norm=0.1,
            has_graph=_name != "deformable_detr",  # its sampling is traced for one size alone
            defaults={**_DEFAULTS, "image_size": 800},
        )
    )

register(
    DetectorFamily(
        name="mask2former",
        build=partial(build, "mask2former", masks.MaskDetector, _MASK_HEADS),
        outputs=masks.OUTPUTS,
        decode=masks.decode,
        losses=masks.losses,
        read_evidence=masks.read_evidence,
        mask_head=masks.mask_head,
        heads=_MASK_HEADS,
        class_rows={head: ClassRows(after=1) for head in _MASK_HEADS},  # "no object"
        freeze_groups=(("detector.model.pixel_level_module.encoder",),),
        canvas="short_side",
        tasks=frozenset({Task.SEGMENTATION}),
        describe=describe,
        clip_norm=0.01,
        has_graph=False,  # its sampling is traced for one size alone
        defaults={**_DEFAULTS, "training_batch_size": 4, "validation_batch_size": 4},
    )
)


def _accepts(name: str, task: Task) -> bool:
    return task in (Task.DETECTION, Task.SEGMENTATION) and is_checkpoint(name)


def _find(name: str, task: Task) -> DetectorFamily:
    """Find the architecture of a checkpoint; its family then builds from that checkpoint."""
    snapshot = describe_checkpoint(name)
    architecture = model_type_of(snapshot)
    allowed = CHECKPOINTS.keys() & WITH_MASKS
    if task is Task.DETECTION:
        allowed = CHECKPOINTS.keys() - WITH_MASKS
    if architecture not in allowed:
        raise UsageError(
            f"{name} has the model_type {architecture}, which is none for {task.value} that is "
            f"understood here (allowed: {', '.join(sorted(allowed))})"
        )
    family = detector_named(architecture)
    return replace(
        family,
        build=partial(_build_from, name, family),
        option_names=(),
        source=snapshot.provenance,
    )


def _build_from(
    checkpoint: str,
    family: DetectorFamily,
    *,
    num_classes: int,
    options: Mapping[str, Any],
    pretrained: bool,
) -> nn.Module:
    chosen = {"model_checkpoint": checkpoint, **options}
    return family.build(num_classes=num_classes, options=chosen, pretrained=pretrained)


register_library(Library("transformers_detectors", accepts=_accepts, find=_find))
