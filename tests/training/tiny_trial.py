"""A trial as training.trial runs it, of a network so small that only starting it takes time.

    python -m tests.training.tiny_trial FOLDER …

Every process notes what it sees in seen-<local rank>.jsonl of the trial's folder: per training
batch the mean of each image, and the sum of the absolute weights before the step. FAILING_RANK
names a process that runs out of memory.
"""

import json
import os
import sys
from pathlib import Path

from torch import nn

from inference.families.base import CamLayer, Family, register
from training.hyperparameter_schema import ClassificationHyperparameters
from training.runs import Run
from training.trial import _arguments, main

COMMAND = (sys.executable, "-m", "tests.training.tiny_trial")
LABELS = ["a", "b"]


class Tiny(nn.Module):
    """Without BatchNorm, whose statistics would be those of a process's own images."""

    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(8, classes)

    def forward(self, images):
        if self.training:
            self._note(images)
        return self.head(self.body(images))

    def _note(self, images):
        rank = os.environ.get("LOCAL_RANK", "0")
        if rank == os.environ.get("FAILING_RANK"):
            raise MemoryError("no memory left")
        noted = {
            "images": [round(float(image.mean()), 5) for image in images],
            "weights": sum(float(weight.detach().abs().sum()) for weight in self.parameters()),
        }
        folder = next(Path(part) for part in sys.argv if Path(part, "params.json").exists())
        with (folder / f"seen-{rank}.jsonl").open("a") as file:
            file.write(json.dumps(noted) + "\n")


def new_trial(run: Run, *, number=0, processes=1, nodes=1, **values):
    """Make a trial of a run that has its splits."""
    parameters = ClassificationHyperparameters(
        model_name="tiny",
        learning_rate=0.05,
        number_of_workers=0,
        training_crop_size=32,
        validation_crop_size=32,
        validation_resize_size=32,
        apply_automl_train_augmentations=False,
        early_stopping=False,
        **values,
    )
    facts = {
        "task": "image_classification",
        "primary_metric": "accuracy",
        "labels": LABELS,
        "seed": 3,
        "timeout_minutes": 10,
        "data_hash": "",
        "node_count_per_trial": nodes,
        "processes_per_node": processes,
    }
    return run.new_trial({**facts, "parameters": parameters.model_dump(mode="json")}, number=number)


if __name__ == "__main__":
    register(
        Family(
            name="tiny",
            build=lambda *, num_classes, image_size, pretrained: Tiny(num_classes),
            head="head",
            cam=CamLayer("body.0"),
            freeze_groups=(("body",),),
        )
    )
    sys.exit(main(**vars(_arguments()), command=COMMAND))
