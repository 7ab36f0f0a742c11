"""What a result depended on: versions, hardware, and the state of the code."""

import os
import platform
from typing import Any

import torch

from inference.packages import package_versions

_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "numpy",
    "pillow",
    "onnx",
    "onnxruntime",
)


def environment() -> dict[str, Any]:
    """Python, packages, processor and accelerator of this process, ready for JSON."""
    cuda = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "accelerator": torch.cuda.get_device_name() if cuda else None,
        "packages": package_versions(_PACKAGES),
    }
