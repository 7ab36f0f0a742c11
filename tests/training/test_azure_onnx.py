import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from inference.detect import choose
from inference.errors import UsageError
from inference.families import detector_named
from inference.model_folder import ModelFolder
from inference.networks import load_network
from inference.settings import DetectionSettings
from tests.model_folders import write_detector_folder, write_model_folder
from training.azure_onnx import export_for_azure

SETTINGS = {"min_size": 64, "max_size": 128, "box_score_thresh": 0.3, "box_detections_per_img": 5}


def canvases() -> torch.Tensor:
    return torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))


def expected(folder: ModelFolder) -> list[list[np.ndarray]]:
    assert isinstance(folder.settings, DetectionSettings)
    network, family = load_network(folder), detector_named(folder.facts.family)
    with torch.no_grad():
        candidates = family.decode(network(canvases()))
        chosen = [choose(candidates, image, folder.settings) for image in range(2)]
    return [
        [
            candidates.boxes_of(rows, labels).numpy(),
            labels.numpy(),
            candidates.scores[rows, labels].numpy(),
        ]
        for rows, labels in chosen
    ]


@pytest.mark.parametrize(
    "family",
    [
        pytest.param("fasterrcnn_resnet18_fpn", marks=pytest.mark.slow),
        pytest.param("maskrcnn_resnet18_fpn", marks=pytest.mark.slow),
    ],
)
def test_the_graph_holds_thresholds_and_nms_of_the_settings(tmp_path: Path, family: str) -> None:
    folder = write_detector_folder(tmp_path / "model", family=family, settings=SETTINGS)
    export_for_azure(folder, tmp_path / "azure.onnx", batch_size=2)
    assert json.loads((tmp_path / "labels.json").read_text()) == ["a", "b", "c"]
    session = ort.InferenceSession(tmp_path / "azure.onnx", providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]
    parts = ["boxes", "labels", "scores", *(["masks"] if family.startswith("mask") else [])]
    assert names == [f"{part}_{image}" for image in range(2) for part in parts]
    got = dict(zip(names, session.run(None, {"input": canvases().numpy()}), strict=True))
    for image, wanted in enumerate(expected(folder)):
        assert len(wanted[0]) > 0
        for part, values in zip(parts, wanted, strict=False):
            np.testing.assert_allclose(got[f"{part}_{image}"], values, rtol=1e-3, atol=1e-3)
        if "masks" in parts:
            assert got[f"masks_{image}"].shape == (len(wanted[0]), 1, 96, 128)


def test_models_whose_graph_is_azures_already_are_named(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path)
    with pytest.raises(UsageError, match=r"model\.onnx is Azure's form already"):
        export_for_azure(folder, tmp_path / "azure.onnx", batch_size=2)
