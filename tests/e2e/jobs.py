"""Small jobs on small synthetic data."""

from pathlib import Path
from typing import Any

import yaml

SIZE = 48


def write_job(
    path: Path, data: Path, *, task: str = "image_classification", **parameters: Any
) -> Path:
    """Write a job file for a data set made by training.data.synthetic."""
    sides = {
        "training_crop_size": SIZE,
        "validation_crop_size": SIZE,
        "validation_resize_size": SIZE,
    }
    job = {
        "task": task,
        "experiment_name": "small",
        "training_data": {"path": str(data / "training-mltable-folder"), "type": "mltable"},
        "validation_data": {"path": str(data / "validation-mltable-folder"), "type": "mltable"},
        "training_parameters": {
            "model_name": "resnet18",
            "pretrained": False,
            "number_of_epochs": 3,
            "training_batch_size": 8,
            **(sides if "classification" in task else {}),
            "number_of_workers": 1,
            "random_seed": 3,
            **parameters,
        },
    }
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    return path
