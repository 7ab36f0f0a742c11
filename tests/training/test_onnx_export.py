import pytest
import torch

from inference.families import detector_named
from training.onnx_export import export_detector


@pytest.mark.slow
def test_exporting_a_network_with_a_mask_head_leaves_it_in_evaluation_mode(tmp_path):
    family = detector_named("maskrcnn_resnet18_fpn")
    torch.manual_seed(0)
    network = family.build(num_classes=2, options={}, pretrained=False).eval()
    export_detector(network, tmp_path, family=family, size=64)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "masks.onnx"}
    assert [name for name, module in network.named_modules() if module.training] == []
