"""Explanations of classifiers on a GPU are those of the CPU."""

from pathlib import Path

import numpy as np
import pytest

from inference.schema import XaiParameters
from tests.model_folders import write_model_folder
from tests.xai.nets import photo
from xai.explainer import Explainer
from xai.methods import METHODS

pytestmark = pytest.mark.gpu
LARGEST_ERROR = 0.02  # Σ |difference| / Σ |expected|: rounding turns some ReLUs off


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", ["resnet18", "mobilenetv2", "vits16r224"])
def test_every_method_explains_as_on_the_cpu(family: str, method: str, tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path, family=family)
    parameters = XaiParameters(xai_algorithm=method, n_steps=20)
    cpu, gpu = (
        Explainer(folder, device=device).explain(photo("astronaut", 90), parameters)
        for device in ("cpu", "cuda")
    )
    for expected, got in zip(cpu.attributions, gpu.attributions, strict=True):
        error = np.abs(got - expected).sum() / np.abs(expected).sum()
        assert error <= LARGEST_ERROR
