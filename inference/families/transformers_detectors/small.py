"""Small architectures of each kind, for random weights."""

from typing import Any

_RESNET_18 = {
    "model_type": "resnet",
    "layer_type": "basic",
    "depths": [2, 2, 2, 2],
    "hidden_sizes": [64, 128, 256, 512],
}
_ONE_MAP = {"backbone_config": {**_RESNET_18, "out_features": ["stage4"]}}
_RT_DETR: dict[str, Any] = {
    "backbone_config": {
        **_RESNET_18,
        "model_type": "rt_detr_resnet",
        "out_indices": [2, 3, 4],
    },
    "encoder_in_channels": [128, 256, 512],
    "hidden_expansion": 0.5,
    "decoder_layers": 3,
    "freeze_backbone_batch_norms": False,  # they must learn
}
SMALL: dict[str, dict[str, Any]] = {
    "rt_detr": _RT_DETR,
    "rt_detr_v2": _RT_DETR,
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
    "detr": _ONE_MAP,
    "conditional_detr": _ONE_MAP,
    "table-transformer": _ONE_MAP,
    "mask2former": {
        "backbone_config": {
            **_RESNET_18,
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
        },
        "encoder_layers": 3,
        "decoder_layers": 4,
        "dim_feedforward": 1024,
    },
    "deformable_detr": {
        "backbone_config": {**_RESNET_18, "out_features": ["stage2", "stage3", "stage4"]}
    },
}
