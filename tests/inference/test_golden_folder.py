"""A model folder of schema_version 1 must load for ever, and compute what it did when it was made.

Only the texts are kept: names and shapes of the weights stand in tensors.json, and a formula that
is exact in float32 fills them, so that nine megabytes need not be in the repository.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from inference.model_folder import open_model_folder
from inference.predictor import Predictor

GOLDEN = Path(__file__).parent / "golden_v1"


def formula_weights(name, shape):
    """Whole numbers over 2048: small, of both signs, and the same on every machine."""
    count = int(np.prod(shape, dtype=int))
    values = (np.arange(count, dtype=np.int64) * 7919 + len(name)) % 257 - 128
    scale = 1024 if name.endswith("running_var") else 2048
    if name.endswith("running_var"):
        values = np.abs(values) + 512
    return torch.from_numpy((values / scale).astype(np.float32).reshape(shape))


def build_golden_folder(path):
    shutil.copytree(GOLDEN, path)
    shapes = json.loads((GOLDEN / "tensors.json").read_text())
    weights = {
        name: torch.tensor(0) if name.endswith("num_batches_tracked") else formula_weights(name, s)
        for name, s in shapes.items()
    }
    save_file(weights, path / "model.safetensors")
    return path


def test_the_first_model_folder_still_loads_and_computes_the_same(tmp_path):
    folder = open_model_folder(build_golden_folder(tmp_path / "model"))
    assert folder.settings.valid_resize_size == 72
    rows, columns = np.mgrid[0:90, 0:120]
    image = np.stack([rows, columns, rows + columns], axis=-1).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    with Predictor(folder) as predictor:
        (scores,) = predictor.score_all([tmp_path / "image.png"])
    expected = json.loads((GOLDEN / "expected.json").read_text())
    assert list(scores.labels) == expected["labels"]
    np.testing.assert_allclose(scores.probs, expected["probs"], atol=1e-4)
