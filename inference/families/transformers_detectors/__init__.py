"""RT-DETRv2 (arXiv 2407.17140) and D-FINE (arXiv 2410.13842), transformers' networks and weights.

Both find objects without NMS. The library takes seconds to import; building a network does it.
"""

from functools import partial

from inference.families.base import DetectorFamily, register
from inference.families.transformers_detectors.building import CHECKPOINTS, build, describe
from inference.families.transformers_detectors.network import OUTPUTS, decode, losses, read_evidence

_BACKBONE = "detector.model.backbone.model"

for _name in CHECKPOINTS:
    register(
        DetectorFamily(
            name=_name,
            build=partial(build, _name),
            outputs=OUTPUTS,
            decode=decode,
            losses=losses,
            read_evidence=read_evidence,
            heads=(
                "detector.model.decoder.class_embed",
                "detector.model.enc_score_head",
                "detector.model.denoising_class_embed",
            ),
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
            defaults={
                "learning_rate": 1e-4,
                "optimizer": "adamw",
                "training_batch_size": 8,
                "validation_batch_size": 8,
                "box_score_threshold": 0.3,
                "nms_iou_threshold": 1.0,
            },
        )
    )
