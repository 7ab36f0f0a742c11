"""A hub that cannot be reached is one line within seconds, and never a random start."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from inference.errors import UsageError
from inference.families import FAMILIES, family_for
from inference.families.mmdetection import SUBSTITUTES
from inference.types import Task
from training.hyperparameters import resolve

NOBODY = "http://127.0.0.1:9"  # nothing listens there
JOB = {
    "task": "image_classification",
    "training_data": {"path": "train.jsonl"},
    "training_parameters": {"model_name": "someone/some-model"},
}


def test_a_hub_that_must_not_be_asked_ends_a_command_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(yaml.safe_dump(JOB))
    done = subprocess.run(
        [sys.executable, "-m", "training", "run", str(tmp_path / "job.yml")],
        env={**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    for part in ("someone/some-model cannot be fetched", "local folder", "`pretrained: false`",
                 "`weights: PATH`"):  # fmt: skip
        assert part in line


CODE = """
import time
from inference.errors import UsageError
from inference.families import family_for
from inference.families.transformers_classifiers.curated import CURATED
from inference.types import Task
def said(name, task=Task.CLASSIFICATION):
    begin = time.monotonic()
    try:
        family = family_for(name, task)
        if task is Task.DETECTION:
            family.build(num_classes=2, options={}, pretrained=True)
        else:
            family.build(num_classes=2, image_size=224, pretrained=True)
    except UsageError as error:
        assert "cannot be fetched" in str(error), error
        assert time.monotonic() - begin < 20
        print("refused", name)
for name in CURATED:
    said(name)
said("vits16r224")
said("seresnext")
said("timm/test_vit")
said("facebook/detr-resnet-50", Task.DETECTION)
said("d_fine", Task.DETECTION)
families = [family_for(name, Task.CLASSIFICATION) for name in CURATED]
assert [family.only_size for family in families] == [224, 224, 224, 192]
assert {family.heads for family in families} == {("model.classifier",)}
assert {family.source()["licence"] for family in families} == {"apache-2.0"}
"""


@pytest.mark.slow
def test_public_weights_that_cannot_be_fetched_are_refused(tmp_path: Path) -> None:
    environ = {**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": NOBODY}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused") == 9


@pytest.mark.parametrize("beginning", SUBSTITUTES)
def test_names_of_mmdetection_are_substituted_loudly(
    beginning: str, listen: Callable[[str], list[logging.LogRecord]]
) -> None:
    said = listen("inference.families.mmdetection")
    name, substitute = f"mmd-3x-{beginning}_loud", FAMILIES[SUBSTITUTES[beginning]]
    (task,) = substitute.tasks
    assert resolve({"model_name": name, "pretrained": False}, task=task).model_name == name
    assert family_for(name, task) is substitute
    (record,) = said  # once, not at every look
    assert record.levelno == logging.WARNING
    assert record.message.startswith(f"ATTENTION: {name} is a model of MMDetection")
    assert substitute.name in record.message


def test_a_name_of_mmdetection_without_substitute() -> None:
    with pytest.raises(UsageError, match=r"no substitute here \(there are for mmd-3x-deform"):
        family_for("mmd-3x-htc_r50", Task.SEGMENTATION)
