"""The four models that Azure names: known here, so that jobs can be built without the hub.

Values as in the checkpoints' config.json and preprocessor_config.json, where they differ from the
library's defaults. Their weights come from the hub.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.hub.image_processors import Preparation
from inference.model_folder import Preprocessing

_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Curated:
    """A checkpoint's configuration, its licence, and how its images are prepared."""

    licence: str
    config: Mapping[str, Any]
    preparation: Preparation


CURATED: Mapping[str, Curated] = {
    "google/vit-base-patch16-224": Curated(
        "apache-2.0",
        {"model_type": "vit"},
        Preparation(224, 224, Preprocessing(mean=_HALF, std=_HALF, resize="whole")),
    ),
    "facebook/deit-base-patch16-224": Curated(
        "apache-2.0",
        {"model_type": "vit"},
        Preparation(256, 224, Preprocessing(resize="whole", interpolation="bicubic")),
    ),
    "microsoft/beit-base-patch16-224-pt22k-ft22k": Curated(
        "apache-2.0",
        {
            "model_type": "beit",
            "layer_scale_init_value": 0.1,
            "use_mean_pooling": True,
            "use_relative_position_bias": True,
        },
        Preparation(224, 224, Preprocessing(mean=_HALF, std=_HALF, resize="whole")),
    ),
    "microsoft/swinv2-base-patch4-window12-192-22k": Curated(
        "apache-2.0",
        {
            "model_type": "swinv2",
            "image_size": 192,
            "embed_dim": 128,
            "depths": [2, 2, 18, 2],
            "num_heads": [4, 8, 16, 32],
            "window_size": 12,
        },
        Preparation(192, 192, Preprocessing(resize="whole", interpolation="bicubic")),
    ),
}
