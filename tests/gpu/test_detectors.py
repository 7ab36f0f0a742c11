"""Detectors on a GPU: the same candidates, boxes, outlines and maps as on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.agreement import difference, fixed_images
from inference.engine import EXACT_ENGINES
from inference.image import decode_image
from inference.pipeline import load_pipeline
from inference.schema import XaiParameters
from tests.inference.families.transformers_networks import NAMES, QUERY_NAMES
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder
from tests.xai.detectors import tiny_detector
from xai.explainer import load_explainer

pytestmark = pytest.mark.gpu
SHORT_SIDE = {"min_size": 128, "max_size": 256, "box_score_thresh": 0.05}
DETECTORS: dict[str, dict[str, Any]] = {
    "yolov5": {"settings": {"img_size": 128}, "options": {"model_size": "nano"}},
    "fasterrcnn_resnet18_fpn": {"settings": SHORT_SIDE},
    "maskrcnn_resnet18_fpn": {"settings": SHORT_SIDE},
    "retinanet_resnet50_fpn": {"settings": SHORT_SIDE},
}


@pytest.mark.parametrize("engine", EXACT_ENGINES)
@pytest.mark.parametrize("family", DETECTORS)
def test_candidates_are_those_of_the_cpu(family: str, engine: str, tmp_path: Path) -> None:
    folder = write_detector_folder(
        tmp_path, family=family, onnx=engine == "onnxruntime", **DETECTORS[family]
    )
    cpu = load_pipeline(folder, engine="torch", device="cpu")
    gpu = load_pipeline(folder, engine=engine, device="cuda")
    (item,) = cpu.prepare(fixed_images(is_detector=True)[0], folder.settings)
    assert difference(cpu, gpu, item) <= 1e-3


@pytest.mark.parametrize("name", [*NAMES, *QUERY_NAMES])
def test_networks_of_the_library_say_the_same(name: str) -> None:
    family, network, canvas = tiny_detector(name)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        expected, got = (
            family.decode(network.to(device)(canvas.to(device))) for device in ("cpu", "cuda")
        )
    # In any order: queries that score alike may change places.
    rows, wanted = (
        torch.cat([one.scores, one.boxes_xyxy[:, 0] / 100], dim=1).cpu() for one in (got, expected)
    )
    assert torch.cdist(wanted, rows).amin(dim=1).max() <= 1e-3


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "torch_fp16", "torch_bf16"])
@pytest.mark.parametrize("family", ["maskrcnn_resnet18_fpn", "yolov5"])
def test_every_engine_finds_and_outlines_objects(family: str, engine: str, tmp_path: Path) -> None:
    folder = write_detector_folder(
        tmp_path, family=family, onnx=engine == "onnxruntime", **DETECTORS[family]
    )
    pipeline = load_pipeline(folder, engine=engine, device="cuda")
    settings = folder.settings.model_copy(update={"box_score_thresh": 0.0})
    items = pipeline.prepare(fixed_images(is_detector=True)[0], settings)
    found = pipeline.finish(items, pipeline.run(items))
    assert len(found.detections.boxes_xyxy) > 0
    assert np.isfinite(found.detections.boxes_xyxy).all()


@pytest.mark.parametrize("method", ["odam", "drise"])
@pytest.mark.parametrize("family", ["yolov5", "fasterrcnn_resnet18_fpn"])
def test_explanations_are_those_of_the_cpu(family: str, method: str, tmp_path: Path) -> None:
    chosen = {**DETECTORS[family]}
    chosen["settings"] = {**chosen["settings"], "box_score_thresh": 0.002}
    folder = write_detector_folder(tmp_path, family=family, **chosen)
    image = decode_image(encoded(1, size_wh=(90, 60)))
    parameters = XaiParameters(xai_algorithm=method, n_masks=20, boxes=[0])
    cpu, gpu = (
        load_explainer(folder, device=device, offline=True).explain(image, parameters)
        for device in ("cpu", "cuda")
    )
    for expected, got in zip(cpu.maps, gpu.maps, strict=True):
        assert expected.any()
        np.testing.assert_allclose(got, expected, rtol=0, atol=0.02 * expected.max() + 1e-6)
